/* SwiGLU's gate: silu(gate) * up, of rows that hold `width` gates and then `width` ups; and its derivative. */
#include <stdint.h>

#include "elementary.h"
#include "real.h"

void NAME(swiglu_forward)(const REAL *gate_up, int64_t rows, int64_t width, REAL *y) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; i++) {
    const REAL *gate = gate_up + 2 * i * width, *up = gate + width;
#pragma omp simd
    for (int64_t c = 0; c < width; c++) y[i * width + c] = gate[c] * up[c] / (1 + EXP(-gate[c]));
  }
}

void NAME(swiglu_backward)(const REAL *gate_up, const REAL *grad_y, int64_t rows, int64_t width, REAL *grad_gate_up) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; i++) {
    const REAL *gate = gate_up + 2 * i * width, *up = gate + width, *grad = grad_y + i * width;
    REAL *grad_gate = grad_gate_up + 2 * i * width, *grad_up = grad_gate + width;
#pragma omp simd
    for (int64_t c = 0; c < width; c++) {
      const REAL sigmoid = 1 / (1 + EXP(-gate[c]));
      grad_up[c] = grad[c] * gate[c] * sigmoid;
      grad_gate[c] = grad[c] * up[c] * sigmoid * (1 + gate[c] * (1 - sigmoid));
    }
  }
}
