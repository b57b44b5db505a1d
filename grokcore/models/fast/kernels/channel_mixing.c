/* What RWKV's channel mixing does between its matrix products, elementwise: y = relu(x)^2 and y = sigmoid(gate) x. */
#include <math.h>
#include <stdint.h>

#include "elementary.h"
#include "real.h"

void NAME(squared_relu_forward)(const REAL *x, int64_t count, REAL *y) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; i++) {
    const REAL positive = x[i] > 0 ? x[i] : 0;
    y[i] = positive * x[i]; /* so that NaN stays NaN */
  }
}

/* From y alone, which the next product keeps in any case: dy/dx = 2 relu(x) = 2 sqrt(y). */
void NAME(squared_relu_backward)(const REAL *y, const REAL *grad_y, int64_t count, REAL *grad_x) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; i++) grad_x[i] = 2 * (sizeof(REAL) == 4 ? sqrtf(y[i]) : sqrt(y[i])) * grad_y[i];
}

void NAME(gate_forward)(const REAL *gate, const REAL *x, int64_t count, REAL *y) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; i++) y[i] = x[i] / (1 + EXP(-gate[i]));
}

void NAME(gate_backward)(const REAL *gate, const REAL *x, const REAL *grad_y, int64_t count, REAL *grad_gate,
                         REAL *grad_x) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; i++) {
    const REAL open = 1 / (1 + EXP(-gate[i]));
    grad_x[i] = grad_y[i] * open;
    grad_gate[i] = grad_x[i] * x[i] * (1 - open);
  }
}
