// A matrix as panels.py lays it out, and where a product's results go. Knows no product.

#pragma once

#include <algorithm>

#include "vectors.h"

constexpr long GROUP = 64;  // inputs that share a scale in 8 bits

// [outputs, inputs] as panels of LANES outputs: floats [outputs / LANES, inputs, LANES], or their upper halves
// (bfloat16), or where there are scales [outputs / LANES, inputs / GROUP, LANES] bytes [outputs / LANES, inputs / 4,
// LANES, 4], each 128 more than it means. All rounded up. No panels: no matrix.
struct Matrix {
  const void* panels;
  const float* scales;
  long inputs, outputs, halves;
  long count() const { return (outputs + LANES - 1) / LANES; }
};

// Where results go: entry (row, column) to into[row * row_step + column * column_step].
struct Target {
  float* into;
  long row_step, column_step;
  bool add;
};

// One token's results of one panel.
inline void put(const Target& target, int row, long panel, const Matrix& matrix, const Vector& sums) {
  long first = panel * LANES, columns = std::min<long>(LANES, matrix.outputs - first);
  float* into = target.into + row * target.row_step + first * target.column_step;
  if (target.column_step == 1 && columns == LANES)
    vector_in(into) = target.add ? vector_in(into) + sums : sums;
  else
    for (long c = 0; c < columns; c++)
      into[c * target.column_step] = sums[c] + (target.add ? into[c * target.column_step] : 0.0f);
}
