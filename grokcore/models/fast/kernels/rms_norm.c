/* RMS normalization of rows, y = weight * x / sqrt(mean(x^2) + epsilon), and its derivative (arXiv 1910.07467). */
#include <math.h>
#include <omp.h>
#include <stdint.h>

#include "real.h"

/* scales: (rows,), 1 / sqrt(mean(x^2) + epsilon), kept for the backward pass. */
void NAME(rms_norm_forward)(const REAL *x, const REAL *weight, int64_t rows, int64_t width, double epsilon,
                            REAL *scales, REAL *y) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < rows; i++) {
    const REAL *row = x + i * width;
    REAL squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t c = 0; c < width; c++) squares += row[c] * row[c];
    const REAL scale = 1 / sqrt(squares / width + epsilon);
    scales[i] = scale;
#pragma omp simd
    for (int64_t c = 0; c < width; c++) y[i * width + c] = weight[c] * (row[c] * scale);
  }
}

/* grad_weights: (threads, width), zero on entry; every thread adds up rows of its own, in order. */
void NAME(rms_norm_backward)(const REAL *x, const REAL *weight, const REAL *scales, const REAL *grad_y, int64_t rows,
                             int64_t width, REAL *grad_x, REAL *grad_weights) {
#pragma omp parallel
  {
    REAL *grad_weight = grad_weights + omp_get_thread_num() * width;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < rows; i++) {
      const REAL *row = x + i * width, *grad = grad_y + i * width, scale = scales[i];
      REAL product = 0;
#pragma omp simd reduction(+ : product)
      for (int64_t c = 0; c < width; c++) product += grad[c] * weight[c] * row[c];
      const REAL along = product * scale * scale / width;
#pragma omp simd
      for (int64_t c = 0; c < width; c++) {
        grad_x[i * width + c] = scale * (grad[c] * weight[c] - along * row[c]);
        grad_weight[c] += grad[c] * row[c] * scale;
      }
    }
  }
}
