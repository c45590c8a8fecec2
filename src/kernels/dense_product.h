// A dense layer's three matrix products, for gradients that are not sparse (dense_layer.h: for those that are). Rows
// are `inputs` floats long, a multiple of 16: shorter ones are filled up with zeros, and so are the weights' rows.
// Each result is summed in an order of its own. Thread-safe, no allocation.
#pragma once

#include <cstdint>

namespace fer_ddp {

struct DenseSize {
  int inputs = 0;  // a multiple of 16
  int outputs = 0;
};

// y [images][outputs] = x [images][inputs] by weights [outputs][inputs], + bias (null: none).
void dense_product(const DenseSize& size, const float* weights, const float* bias, const float* x, int images,
                   float* y);

// dx [images][inputs] = dy [images][outputs] by weights.
void dense_input_gradient(const DenseSize& size, const float* weights, const float* dy, int images, float* dx);

// Written: weights [outputs][inputs] and bias [outputs] (null: none), the sums over the images, image by image.
void dense_weight_gradient(const DenseSize& size, const float* x, const float* dy, int images, float* weights,
                           float* bias);

}  // namespace fer_ddp
