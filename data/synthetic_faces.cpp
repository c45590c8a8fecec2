#include "data/synthetic_faces.h"

#include <algorithm>

#include "core/random.h"
#include "data/face_canvas.h"
#include "data/face_expression.h"

namespace fer_ddp {

namespace {

// The same random numbers go to the same places with any compiler: numbers are drawn in statements and braced lists,
// whose order is fixed, never in a call's arguments, whose order is not.

// How often FER2013 has each label.
constexpr std::array<uint32_t, kExpressionCount> kFrequencies = {4953, 547, 5121, 8989, 6077, 4002, 6198};
constexpr uint32_t kFrequencySum = 35887;

// One person: proportions in face units, shades in grey levels.
struct Person {
  float skin, hair, feature;  // shades
  float head_width, head_height, hairline;
  float eye_distance, eye_height, eye_size;
  float brow_thickness, brow_height;
  float nose_length, mouth_height, mouth_width, lip_thickness;
  bool glasses, fringe, beard;
};

int random_label(RandomStream& random) {
  uint32_t ticket = random.next_below(kFrequencySum);
  int label = 0;
  while (ticket >= kFrequencies[static_cast<size_t>(label)]) ticket -= kFrequencies[static_cast<size_t>(label++)];
  return label;
}

Person random_person(RandomStream& random) {
  const auto between = [&](float low, float high) { return uniform_between(random, low, high); };
  Person person{};
  person.skin = between(110, 215);
  person.hair = between(15, 120);
  person.feature = person.skin * between(0.15F, 0.4F);
  person.head_width = between(0.92F, 1.12F);
  person.head_height = between(1.18F, 1.38F);
  person.hairline = between(-1.05F, -0.72F);
  person.eye_distance = between(0.36F, 0.46F);
  person.eye_height = between(-0.28F, -0.14F);
  person.eye_size = between(0.16F, 0.21F);
  person.brow_thickness = between(0.06F, 0.13F);
  person.brow_height = between(0.22F, 0.32F);
  person.nose_length = between(0.3F, 0.45F);
  person.mouth_height = between(0.56F, 0.7F);
  person.mouth_width = between(0.3F, 0.4F);
  person.lip_thickness = between(0.05F, 0.09F);
  person.glasses = random.next_below(8) == 0;
  person.fringe = random.next_below(4) == 0;
  person.beard = random.next_below(10) == 0;
  return person;
}

FacePose random_pose(RandomStream& random) {
  return {.centre_x = 24.0F + 1.6F * roughly_normal(random),
          .centre_y = 25.0F + 1.4F * roughly_normal(random),
          .scale = uniform_between(random, 14.5F, 18.5F),
          .half_angle_tangent = 0.06F * roughly_normal(random),
          .yaw = std::clamp(0.3F * roughly_normal(random), -kLargestYaw, kLargestYaw)};
}

void draw_head(FaceCanvas& canvas, const Person& person) {
  canvas.ellipse(0, -0.25F, person.head_width + 0.16F, person.head_height + 0.08F, person.hair);
  canvas.ellipse(0, 1.5F, 0.55F, 0.7F, person.skin * 0.8F);
  canvas.ellipse(0, 0.05F, person.head_width, person.head_height, person.skin);
  const float hair_top = -0.2F - person.head_height;
  canvas.ellipse(0, (person.hairline + hair_top) / 2.0F, person.head_width * 0.9F, (person.hairline - hair_top) / 2.0F,
                 person.hair);
  if (person.fringe) canvas.ellipse(0.25F, person.hairline - 0.1F, person.head_width * 0.8F, 0.34F, person.hair);
  if (person.beard) canvas.ellipse(0, 0.86F, person.head_width * 0.72F, 0.5F, person.hair, 0.4F);
}

void draw_eye(FaceCanvas& canvas, const Person& person, const FaceExpression& expression, float side, float gaze) {
  const float x = side * person.eye_distance;
  const float opening = std::clamp(0.55F + 0.42F * expression.eye_opening, 0.12F, 1.15F);
  const float height = person.eye_size * opening;
  const float iris = std::min(person.eye_size * 0.55F, height);
  canvas.ellipse(x, person.eye_height, person.eye_size * 1.15F, height, std::min(person.skin + 60.0F, 245.0F));
  canvas.ellipse(x + 0.06F * gaze, person.eye_height, iris, iris, 25);
  const Curve lid{x, person.eye_height - height, person.eye_size * 1.1F, 0, 2.2F * height};
  canvas.stroke(lid, 0.05F, person.feature);
}

void draw_brow(FaceCanvas& canvas, const Person& person, const FaceExpression& expression, float side) {
  const float half_width = 0.24F;
  const float inner = 0.16F * expression.inner_brow;
  const float outer = 0.16F * expression.outer_brow;
  const float y = person.eye_height - person.brow_height - (inner + outer) / 2.0F;
  const float slope = side * (inner - outer) / (2.0F * half_width);
  canvas.stroke({side * person.eye_distance, y, half_width, slope, 0.5F}, person.brow_thickness, person.hair * 0.7F,
                0.9F);
}

void draw_nose(FaceCanvas& canvas, const Person& person, const FaceExpression& expression) {
  const float tip = person.eye_height + person.nose_length;
  canvas.stroke({0, tip, 0.13F, 0, -2.0F}, 0.06F, person.feature, 0.6F);
  canvas.ellipse(0.05F, tip - 0.15F, 0.05F, 0.18F, person.skin * 1.12F, 0.5F);
  const float wrinkle = std::min(expression.nose_wrinkle, 1.2F);
  for (const float side : {-1.0F, 1.0F}) {
    canvas.stroke({side * 0.12F, person.eye_height + 0.08F, 0.07F, side * 0.9F, 0}, 0.045F, person.feature,
                  0.7F * wrinkle);
    // The fold from nose to mouth: deep in disgust, and in a broad smile.
    const float fold = std::clamp(0.5F * wrinkle + 0.5F * expression.mouth_corners, 0.0F, 0.8F);
    canvas.stroke({side * 0.36F, tip + 0.12F, 0.1F, side * 1.6F, 0}, 0.045F, person.feature, fold);
  }
}

void draw_mouth(FaceCanvas& canvas, const Person& person, const FaceExpression& expression) {
  const float half_width = std::max(person.mouth_width * (1.0F + 0.35F * expression.mouth_width), 0.12F);
  const float opening = 0.34F * std::min(expression.mouth_opening, 1.3F);
  // A curve whose ends lie `corner` above its middle.
  const float corner = 0.17F * expression.mouth_corners;
  const float bend = -corner / (half_width * half_width);
  const float y = person.mouth_height + corner * 0.5F - 0.07F * expression.upper_lip;
  const float roundness = opening / (half_width * half_width);
  const Curve upper{0, y - opening * 0.35F, half_width, 0, bend + 0.35F * roundness};
  const Curve lower{0, y + opening * 0.65F, half_width, 0, bend - 0.65F * roundness};
  const float lips = person.feature * 1.25F;
  if (opening > 0.03F) {
    canvas.between(upper, lower, 30);
    const Curve bite{0, upper.centre_y + opening * 0.4F, half_width * 0.85F, 0, upper.bend};
    canvas.between({0, upper.centre_y, half_width * 0.85F, 0, upper.bend}, bite, 225, std::min(expression.teeth, 1.0F));
  }
  canvas.stroke(upper, person.lip_thickness, lips);
  canvas.stroke(lower, person.lip_thickness, lips, 0.8F);
}

void draw_glasses(FaceCanvas& canvas, const Person& person) {
  constexpr float kFrame = 30;
  const float radius = person.eye_distance * 0.72F;
  for (const float side : {-1.0F, 1.0F})
    canvas.ring(side * person.eye_distance, person.eye_height, radius, radius * 0.8F, 0.06F, kFrame);
  canvas.stroke({0, person.eye_height, person.eye_distance - radius, 0, 0}, 0.06F, kFrame);
}

// A hand at the cheek or the chin.
void draw_hand(FaceCanvas& canvas, const Person& person, RandomStream& random) {
  const float side = random.next_below(2) == 0 ? -1.0F : 1.0F;
  const float x = side * uniform_between(random, 0.5F, 1.1F);
  const float y = uniform_between(random, 0.7F, 1.4F);
  canvas.ellipse(x, y, 0.36F, 0.42F, person.skin * uniform_between(random, 0.7F, 0.95F));
}

// The camera: light, focus, grain, and an exposure that varies.
std::array<uint8_t, kImagePixels> photograph(FaceCanvas& canvas, RandomStream& random) {
  const float across = 45.0F * roughly_normal(random);
  const float down = 25.0F * roughly_normal(random);
  canvas.light(across, down);
  canvas.blur(uniform_between(random, 0.2F, 1.0F));
  if (random.next_below(3) == 0) canvas.blur(1.0F);
  const float contrast = uniform_between(random, 0.75F, 1.1F);
  const float exposure = 14.0F * roughly_normal(random);
  const float grain = uniform_between(random, 2.0F, 9.0F);
  std::array<uint8_t, kImagePixels> pixels{};
  for (size_t i = 0; i < pixels.size(); ++i) {
    const float value = 128.0F + (canvas.pixels()[i] - 128.0F) * contrast + exposure + grain * roughly_normal(random);
    pixels[i] = static_cast<uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F));
  }
  return pixels;
}

}  // namespace

SyntheticFace draw_face(uint64_t seed, int64_t index) {
  RandomStream random(seed, RandomPurpose::kSyntheticFaces, 0, static_cast<uint64_t>(index));
  const int label = random_label(random);
  const FaceExpression expression = random_expression(label, random);
  const Person person = random_person(random);
  const FacePose pose = random_pose(random);
  FaceCanvas canvas(pose, uniform_between(random, 20.0F, 230.0F));
  const float gaze = roughly_normal(random) * 0.5F;
  draw_head(canvas, person);
  for (const float side : {-1.0F, 1.0F}) {
    draw_eye(canvas, person, expression, side, gaze);
    draw_brow(canvas, person, expression, side);
  }
  draw_nose(canvas, person, expression);
  draw_mouth(canvas, person, expression);
  if (person.glasses) draw_glasses(canvas, person);
  if (random.next_below(10) == 0) draw_hand(canvas, person, random);
  return {.pixels = photograph(canvas, random), .label = static_cast<uint8_t>(label)};
}

}  // namespace fer_ddp
