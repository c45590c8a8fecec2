#include "data/face_canvas.h"

#include <algorithm>
#include <cmath>

namespace fer_ddp {

namespace {

size_t index_of(int row, int column) { return static_cast<size_t>(row) * kImageSide + static_cast<size_t>(column); }

// Of a point relative to the ellipse's centre; negative inside. Exact for a circle; too small at the tips of others,
// which makes those a little softer.
float distance_to_ellipse(float x, float y, float radius_x, float radius_y) {
  const float across = x / radius_x;
  const float along = y / radius_y;
  return (std::sqrt(across * across + along * along) - 1.0F) * std::min(radius_x, radius_y);
}

}  // namespace

float Curve::at(float x) const {
  const float from_centre = x - centre_x;
  return centre_y + slope * from_centre + bend * from_centre * from_centre;
}

float Curve::reach() const { return half_width * (1.0F + std::abs(slope) + std::abs(bend) * half_width); }

FaceCanvas::FaceCanvas(const FacePose& pose, float background) : pose_(pose) {
  const float tangent = pose.half_angle_tangent;
  cosine_ = (1.0F - tangent * tangent) / (1.0F + tangent * tangent);
  sine_ = 2.0F * tangent / (1.0F + tangent * tangent);
  pixels_.fill(background);
}

FaceCanvas::Point FaceCanvas::to_face(int column, int row) const {
  const float right = (static_cast<float>(column) + 0.5F - pose_.centre_x) / pose_.scale;
  const float down = (static_cast<float>(row) + 0.5F - pose_.centre_y) / pose_.scale;
  const float x = cosine_ * right + sine_ * down;
  const float y = cosine_ * down - sine_ * right;
  // Turned to the side, the near half widens and the far half narrows.
  return {x * (1.0F + 0.25F * pose_.yaw * x) - 0.25F * pose_.yaw, y};
}

template <typename Distance>
void FaceCanvas::fill(float x, float y, float reach, float shade, float opacity, const Distance& distance) {
  // How far the yaw moves a point of the head, at most.
  const float slack = 0.275F * std::abs(pose_.yaw);
  const float pixel_x = pose_.centre_x + (cosine_ * x - sine_ * y) * pose_.scale;
  const float pixel_y = pose_.centre_y + (sine_ * x + cosine_ * y) * pose_.scale;
  const float radius = (reach + slack) * pose_.scale + 1.0F;
  const auto clamp = [](float value) {
    return static_cast<int>(std::clamp(value, 0.0F, static_cast<float>(kImageSide)));
  };
  for (int row = clamp(pixel_y - radius); row < clamp(pixel_y + radius); ++row) {
    for (int column = clamp(pixel_x - radius); column < clamp(pixel_x + radius); ++column) {
      const float inside = 0.5F - distance(to_face(column, row)) * pose_.scale;
      if (inside <= 0.0F) continue;
      float& pixel = pixels_[index_of(row, column)];
      pixel += (shade - pixel) * std::min(inside, 1.0F) * opacity;
    }
  }
}

float FaceCanvas::reach_of_ellipse(float radius_x, float radius_y) const {
  const float softness = 0.5F / (pose_.scale * std::min(radius_x, radius_y));
  return std::max(radius_x, radius_y) * (1.0F + softness);
}

void FaceCanvas::ellipse(float x, float y, float radius_x, float radius_y, float shade, float opacity) {
  fill(x, y, reach_of_ellipse(radius_x, radius_y), shade, opacity,
       [&](Point point) { return distance_to_ellipse(point.x - x, point.y - y, radius_x, radius_y); });
}

void FaceCanvas::ring(float x, float y, float radius_x, float radius_y, float thickness, float shade) {
  fill(x, y, reach_of_ellipse(radius_x, radius_y) + thickness, shade, 1.0F, [&](Point point) {
    return std::abs(distance_to_ellipse(point.x - x, point.y - y, radius_x, radius_y)) - thickness / 2.0F;
  });
}

void FaceCanvas::stroke(const Curve& curve, float thickness, float shade, float opacity) {
  fill(curve.centre_x, curve.centre_y, curve.reach() + thickness, shade, opacity, [&](Point point) {
    const float x = std::clamp(point.x, curve.centre_x - curve.half_width, curve.centre_x + curve.half_width);
    const float steepness = curve.slope + 2.0F * curve.bend * (x - curve.centre_x);
    const float beside = point.x - x;
    const float above = point.y - curve.at(x);
    return std::sqrt(beside * beside + above * above / (1.0F + steepness * steepness)) - thickness / 2.0F;
  });
}

void FaceCanvas::between(const Curve& upper, const Curve& lower, float shade, float opacity) {
  const float reach = std::max(upper.reach(), lower.reach() + std::abs(lower.centre_y - upper.centre_y));
  fill(upper.centre_x, upper.centre_y, reach, shade, opacity, [&](Point point) {
    const float beside = std::abs(point.x - upper.centre_x) - upper.half_width;
    return std::max({beside, upper.at(point.x) - point.y, point.y - lower.at(point.x)});
  });
}

void FaceCanvas::light(float across, float down) {
  for (int row = 0; row < kImageSide; ++row) {
    for (int column = 0; column < kImageSide; ++column) {
      const float x = static_cast<float>(column) / kImageSide - 0.5F;
      const float y = static_cast<float>(row) / kImageSide - 0.5F;
      pixels_[index_of(row, column)] += across * x + down * y;
    }
  }
}

void FaceCanvas::blur(float amount) {
  const std::array<float, kImagePixels> before = pixels_;
  const auto at = [&](int row, int column) {
    row = std::clamp(row, 0, kImageSide - 1);
    column = std::clamp(column, 0, kImageSide - 1);
    return before[index_of(row, column)];
  };
  for (int row = 0; row < kImageSide; ++row) {
    for (int column = 0; column < kImageSide; ++column) {
      const float corners =
          at(row - 1, column - 1) + at(row - 1, column + 1) + at(row + 1, column - 1) + at(row + 1, column + 1);
      const float sides = at(row - 1, column) + at(row + 1, column) + at(row, column - 1) + at(row, column + 1);
      const float smooth = (corners + 2.0F * sides + 4.0F * at(row, column)) / 16.0F;
      float& pixel = pixels_[index_of(row, column)];
      pixel += (smooth - pixel) * amount;
    }
  }
}

}  // namespace fer_ddp
