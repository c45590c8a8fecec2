// A small grey picture that shapes are drawn on, in a coordinate system of the face's own: x to the right, y down, the
// face about 2 wide and 2.6 high around the origin. Edges are smoothed by a shape's distance from the pixel's centre.
// Only + - * / and square roots are used, whose results IEEE 754 fixes to the last bit, so that a picture is the same
// on any machine.
#pragma once

#include <array>
#include <cstdint>

#include "core/expressions.h"

namespace fer_ddp {

inline constexpr float kLargestYaw = 0.6F;

// Where the face stands in the picture.
struct FacePose {
  float centre_x = 24.0F;  // pixels
  float centre_y = 24.0F;
  float scale = 16.0F;              // pixels a unit
  float half_angle_tangent = 0.0F;  // tan(roll / 2): a rotation without trigonometry
  float yaw = 0.0F;                 // -kLargestYaw to kLargestYaw: features slide sideways, and the far half narrows
};

// y = centre_y + slope * d + bend * d^2 with d = x - centre_x, for |d| <= half_width.
struct Curve {
  float centre_x, centre_y, half_width, slope, bend;
  [[nodiscard]] float at(float x) const;
  [[nodiscard]] float reach() const;  // no point of it is farther from its centre
};

class FaceCanvas {
 public:
  FaceCanvas(const FacePose& pose, float background);

  // Each blends `shade` (0 black to 255 white) in, with `opacity` 0 to 1: a filled ellipse, its outline, a curve, and
  // what lies between two curves of the same width.
  void ellipse(float x, float y, float radius_x, float radius_y, float shade, float opacity = 1.0F);
  void ring(float x, float y, float radius_x, float radius_y, float thickness, float shade);
  void stroke(const Curve& curve, float thickness, float shade, float opacity = 1.0F);
  void between(const Curve& upper, const Curve& lower, float shade, float opacity = 1.0F);

  // Adds a plane: `across` and `down` from one edge of the picture to the other.
  void light(float across, float down);

  // Mixes each pixel with its neighbours (binomial 3 x 3); 0: nothing, 1: fully.
  void blur(float amount);

  [[nodiscard]] std::array<float, kImagePixels>& pixels() { return pixels_; }

 private:
  struct Point {
    float x, y;
  };
  [[nodiscard]] Point to_face(int column, int row) const;
  // How far from its centre an ellipse colours a pixel, in face units.
  [[nodiscard]] float reach_of_ellipse(float radius_x, float radius_y) const;
  // Calls distance(point) -> signed distance in face units for each pixel near (x, y), and blends.
  template <typename Distance>
  void fill(float x, float y, float reach, float shade, float opacity, const Distance& distance);

  FacePose pose_;
  float cosine_, sine_;
  std::array<float, kImagePixels> pixels_{};
};

}  // namespace fer_ddp
