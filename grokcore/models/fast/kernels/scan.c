/* Mamba-1's selective scan over short sequences, some of which go on from a shared prefix: forward and backward.
 *
 * Rows of tokens lie as in a Layout: `prefixes` sequences of `prefix_tokens` rows, then `examples` sequences of `tokens`
 * rows. Example b goes on from the state of prefix prefix_of[b], read where it lies, or from zeros where there is none
 * of that number. In every channel, with a state h of `states` numbers:
 *   h_t = exp(Delta_t A) h_(t-1) + Delta_t u_t B_t,  y_t = C_t h_t + D u_t,  Delta = softplus(delta + bias)
 * A thread has channels of its own, so that no two add to the same numbers and the order of all sums is fixed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "elementary.h"
#include "real.h"

enum { CHANNELS = 32 }; /* worked on at a time: what a short sequence needs of them stays in the first cache */

#define INLINE static inline __attribute__((always_inline))
#define EACH_CHANNEL _Pragma("omp simd") for (int64_t c = 0; c < width; c++)
#define LN_2 ((REAL)0.69314718055994531)

/* 2^x for x <= 0, to 1 ulp; 2^-126 below that. This is most of a scan's work: it is shorter than exp_float by the
 * multiplication with log2(e), done once for all of A, and by what only positive x need. The polynomial is fitted to
 * |r| <= 1/2 with a relative error of 2e-9. */
static inline float power_of_2_float(float x) {
  x = x < -126.0f ? -126.0f : x;
  const float whole = rintf(x), r = x - whole;
  float p = 1.535336189e-4f;
  p = fmaf(p, r, 1.339887442e-3f);
  p = fmaf(p, r, 9.618437358e-3f);
  p = fmaf(p, r, 5.550332471e-2f);
  p = fmaf(p, r, 2.402264791e-1f);
  p = fmaf(p, r, 6.931472029e-1f);
  p = fmaf(p, r, 1.0f);
  int32_t bits;
  memcpy(&bits, &p, sizeof bits);
  bits += (int32_t)whole << 23;
  memcpy(&p, &bits, sizeof p);
  return p;
}

static inline double power_of_2_double(double x) { return exp2(x); }

INLINE REAL sigmoid(REAL x) { return 1 / (1 + EXP(-x)); }

/* log(1 + exp(x)) = max(x, 0) + 2 artanh(s), s = e / (2 + e) <= 1/3, e = exp(-|x|) */
INLINE REAL softplus(REAL x) {
  const REAL e = EXP(x < 0 ? x : -x), s = e / (2 + e), square = s * s;
  const int terms = sizeof(REAL) == sizeof(float) ? 7 : 16;
  REAL sum = (REAL)1 / (2 * terms + 1);
#pragma GCC unroll 16
  for (int k = terms - 1; k >= 0; k--) sum = sum * square + (REAL)1 / (2 * k + 1);
  return (x > 0 ? x : 0) + 2 * s * sum;
}

typedef struct {
  int64_t prefixes, prefix_tokens, examples, tokens;
  const int64_t *prefix_of, *chosen;
  int64_t asked, channels, states, bc_stride, z_stride;
  const REAL *u, *delta, *bias, *a, *bc, *d, *z, *grad_out;
  REAL *out, *grad_u, *grad_delta, *grad_bias, *grad_a, *grad_bc, *grad_d, *grad_z;
} Scan;

typedef struct {
  int64_t row, length, before;  /* its first row and number of rows; the prefix it goes on from, or -1 */
  int64_t out_row, asked;       /* where its outputs begin, and how many there are */
  const int64_t *positions;     /* of its outputs; null for one at each token */
} Sequence;

INLINE Sequence sequence(const Scan *scan, int64_t number) {
  const int64_t example = number - scan->prefixes, shared_rows = scan->prefixes * scan->prefix_tokens;
  Sequence s = {number * scan->prefix_tokens, scan->prefix_tokens, -1, 0, 0, scan->chosen};
  if (example >= 0) {
    s.row = shared_rows + example * scan->tokens, s.length = scan->tokens;
    if (scan->prefixes && scan->prefix_of[example] < scan->prefixes) s.before = scan->prefix_of[example];
  }
  if (scan->chosen == NULL) {
    s.out_row = s.row, s.asked = s.length;
  } else if (example >= 0) {
    s.out_row = example * scan->asked, s.asked = scan->asked, s.positions = scan->chosen + example * scan->asked;
  }
  return s;
}

/* The first output from number p on that is of token t; s.asked if there is none. */
INLINE int64_t next_output(Sequence s, int64_t t, int64_t p) {
  if (s.positions == NULL) return p <= t ? t : s.asked;
  while (p < s.asked && s.positions[p] != t) p++;
  return p;
}

/* From the state before a token to that after it, with its Delta and decay on the way. A state's numbers of `width`
 * channels lie CHANNELS apart. */
INLINE void advance(const Scan *scan, int64_t row, int64_t at, int64_t width, const REAL *before, REAL *step,
                    REAL *decay, REAL *after) {
  const REAL *delta = scan->delta + row * scan->channels + at, *u = scan->u + row * scan->channels + at;
  const REAL *bias = scan->bias + at, *b = scan->bc + row * scan->bc_stride;
  REAL input[CHANNELS];
  EACH_CHANNEL {
    step[c] = softplus(delta[c] + bias[c]);
    input[c] = step[c] * u[c];
  }
  for (int64_t n = 0; n < scan->states; n++) {
    const REAL *old = before + n * CHANNELS, *a = scan->a + n * scan->channels + at, b_n = b[n];
    REAL *factor = decay + n * CHANNELS, *new = after + n * CHANNELS;
    EACH_CHANNEL {
      factor[c] = NAME(power_of_2)(step[c] * a[c]);
      new[c] = factor[c] * old[c] + input[c] * b_n;
    }
  }
}

/* y = C h + D u */
INLINE void read_out(const Scan *scan, int64_t row, int64_t at, int64_t width, const REAL *state, REAL *y) {
  const REAL *d = scan->d + at, *u = scan->u + row * scan->channels + at;
  const REAL *c_t = scan->bc + row * scan->bc_stride + scan->states;
  EACH_CHANNEL y[c] = d[c] * u[c];
  for (int64_t n = 0; n < scan->states; n++) EACH_CHANNEL y[c] += c_t[n] * state[n * CHANNELS + c];
}

INLINE void forward(const Scan *scan, int64_t at, int64_t width) {
  const int64_t size = scan->states * CHANNELS;
  REAL *after_prefix = malloc((scan->prefixes + 2) * size * sizeof(REAL));
  if (after_prefix == NULL) abort();
  REAL *own = after_prefix + scan->prefixes * size, *decay = own + size, step[CHANNELS], y[CHANNELS];
  for (int64_t number = 0; number < scan->prefixes + scan->examples; number++) {
    const Sequence s = sequence(scan, number);
    REAL *state = number < scan->prefixes ? after_prefix + number * size : own;
    if (s.before < 0) memset(state, 0, size * sizeof(REAL));
    for (int64_t t = 0; t < s.length; t++) {
      const REAL *before = t == 0 && s.before >= 0 ? after_prefix + s.before * size : state;
      advance(scan, s.row + t, at, width, before, step, decay, state);
      for (int64_t p = next_output(s, t, 0); p < s.asked; p = next_output(s, t, p + 1)) {
        const REAL *z = scan->z + (s.out_row + p) * scan->z_stride + at;
        REAL *out = scan->out + (s.out_row + p) * scan->channels + at;
        read_out(scan, s.row + t, at, width, state, y);
        EACH_CHANNEL out[c] = y[c] * z[c] * sigmoid(z[c]);
      }
    }
  }
  free(after_prefix);
}

/* From the gradient of the state after token t to that of the state before it, with all that t adds to gradients. */
INLINE void retrace(const Scan *scan, Sequence s, int64_t t, int64_t at, int64_t width, const REAL *before,
                    const REAL *step, const REAL *decay, const REAL *after, REAL *grad_state, REAL *grad_b) {
  const int64_t row = s.row + t, states = scan->states, channels = scan->channels;
  const REAL *u = scan->u + row * channels + at, *delta = scan->delta + row * channels + at, *bias = scan->bias + at;
  const REAL *b = scan->bc + row * scan->bc_stride, *c_t = b + states, *d = scan->d + at;
  REAL *grad_u = scan->grad_u + row * channels + at, *grad_delta = scan->grad_delta + row * channels + at;
  REAL *grad_bias = scan->grad_bias + at, *grad_d = scan->grad_d + at, *grad_c = grad_b + states;
  REAL y[CHANNELS], grad_y[CHANNELS], input[CHANNELS], grad_input[CHANNELS], grad_exponent[CHANNELS];
  EACH_CHANNEL {
    input[c] = step[c] * u[c];
    grad_y[c] = grad_input[c] = grad_exponent[c] = 0;
  }
  for (int64_t p = next_output(s, t, 0); p < s.asked; p = next_output(s, t, p + 1)) {
    const REAL *z = scan->z + (s.out_row + p) * scan->z_stride + at;
    const REAL *grad_out = scan->grad_out + (s.out_row + p) * channels + at;
    REAL *grad_z = scan->grad_z + (s.out_row + p) * channels + at;
    read_out(scan, row, at, width, after, y);
    EACH_CHANNEL {
      const REAL gate = sigmoid(z[c]);
      grad_z[c] = grad_out[c] * y[c] * gate * (1 + z[c] * (1 - gate));
      grad_y[c] += grad_out[c] * z[c] * gate;
    }
  }
  for (int64_t n = 0; n < states; n++) {
    const REAL *old = before + n * CHANNELS, *new = after + n * CHANNELS, *factor = decay + n * CHANNELS;
    const REAL *a = scan->a + n * channels + at, b_n = b[n], c_n = c_t[n];
    REAL *gradient = grad_state + n * CHANNELS, *grad_a = scan->grad_a + n * channels + at, sum_b = 0, sum_c = 0;
#pragma omp simd reduction(+ : sum_b, sum_c)
    for (int64_t c = 0; c < width; c++) {
      const REAL grad_new = gradient[c] + grad_y[c] * c_n, grad_old = grad_new * factor[c];
      const REAL through_decay = grad_old * old[c];
      sum_b += grad_new * input[c];
      sum_c += grad_y[c] * new[c];
      grad_input[c] += grad_new * b_n;
      grad_exponent[c] += through_decay * a[c];
      grad_a[c] += through_decay * step[c];
      gradient[c] = grad_old;
    }
    grad_b[n] = sum_b;
    grad_c[n] = sum_c;
  }
  EACH_CHANNEL {
    const REAL grad_step = LN_2 * grad_exponent[c] + grad_input[c] * u[c];
    grad_delta[c] = grad_step * sigmoid(delta[c] + bias[c]);
    grad_u[c] = grad_input[c] * step[c] + grad_y[c] * d[c];
    grad_bias[c] += grad_delta[c];
    grad_d[c] += grad_y[c] * u[c];
  }
}

/* The states are computed again: that takes less time than storing and reading them. */
INLINE void backward(const Scan *scan, int64_t at, int64_t width) {
  const int64_t prefixes = scan->prefixes, size = scan->states * CHANNELS;
  const int64_t longest = scan->prefix_tokens > scan->tokens ? scan->prefix_tokens : scan->tokens;
  const int64_t rows = prefixes * scan->prefix_tokens + scan->examples * scan->tokens;
  REAL *after_prefix = malloc(((2 * (prefixes + longest + 1)) * size + longest * CHANNELS) * sizeof(REAL));
  if (after_prefix == NULL) abort();
  REAL *grad_after_prefix = after_prefix + prefixes * size, *grad_own = grad_after_prefix + prefixes * size;
  REAL *history = grad_own + size, *decay = history + (longest + 1) * size, *steps = decay + longest * size;
  REAL *grad_bc = scan->grad_bc + at / CHANNELS * rows * 2 * scan->states;
  memset(after_prefix, 0, 2 * prefixes * size * sizeof(REAL));
  for (int64_t row = 0; row < prefixes * scan->prefix_tokens; row++) {
    REAL *state = after_prefix + row / scan->prefix_tokens * size;
    advance(scan, row, at, width, state, steps, decay, state);
  }
  for (int64_t number = prefixes + scan->examples - 1; number >= 0; number--) {  /* each before what it goes on from */
    const Sequence s = sequence(scan, number);
    REAL *grad_state = number < prefixes ? grad_after_prefix + number * size : grad_own;
    if (number >= prefixes) memset(grad_own, 0, size * sizeof(REAL));
    if (s.before < 0) memset(history, 0, size * sizeof(REAL));
    else memcpy(history, after_prefix + s.before * size, size * sizeof(REAL));
    for (int64_t t = 0; t < s.length; t++)
      advance(scan, s.row + t, at, width, history + t * size, steps + t * CHANNELS, decay + t * size,
              history + (t + 1) * size);
    for (int64_t t = s.length - 1; t >= 0; t--)
      retrace(scan, s, t, at, width, history + t * size, steps + t * CHANNELS, decay + t * size,
              history + (t + 1) * size, grad_state, grad_bc + (s.row + t) * 2 * scan->states);
    if (s.before >= 0)
      for (int64_t i = 0; i < size; i++) grad_after_prefix[s.before * size + i] += grad_own[i];
  }
  free(after_prefix);
}

/* A loop over a number of channels that the compiler knows is one that it unrolls. */
#define EACH_BLOCK(channels, call)                                                                       \
  _Pragma("omp parallel for schedule(static)") for (int64_t at = 0; at < (channels); at += CHANNELS) {   \
    if ((channels) - at >= CHANNELS) call(&scan, at, CHANNELS);                                          \
    else call(&scan, at, (channels) - at);                                                               \
  }

/* out = y silu(z) at the tokens `chosen` (examples, asked) of the examples, or at every token where that is null.
 *
 * u, delta: (rows, channels); a: (states, channels), A / ln 2; bc: rows of B, then C, with a stride; z: rows with a
 * stride, one for each of out; bias, d: (channels,). */
void NAME(scan_forward)(int64_t prefixes, int64_t prefix_tokens, int64_t examples, int64_t tokens,
                        const int64_t *prefix_of, const int64_t *chosen, int64_t asked, int64_t channels,
                        int64_t states, const REAL *u, const REAL *delta, const REAL *bias, const REAL *a,
                        const REAL *bc, int64_t bc_stride, const REAL *d, const REAL *z, int64_t z_stride, REAL *out) {
  const Scan scan = {prefixes, prefix_tokens, examples, tokens, prefix_of, chosen, asked, channels, states, bc_stride,
                     z_stride, u, delta, bias, a, bc, d, z, .out = out};
  EACH_BLOCK(channels, forward)
}

/* grad_u, grad_delta, grad_z: written. grad_bias, grad_a and grad_d: added to. grad_bc: (blocks, rows, 2 * states),
 * written, for each block of channels the part that they add. */
void NAME(scan_backward)(int64_t prefixes, int64_t prefix_tokens, int64_t examples, int64_t tokens,
                         const int64_t *prefix_of, const int64_t *chosen, int64_t asked, int64_t channels,
                         int64_t states, const REAL *u, const REAL *delta, const REAL *bias, const REAL *a,
                         const REAL *bc, int64_t bc_stride, const REAL *d, const REAL *z, int64_t z_stride,
                         const REAL *grad_out, REAL *grad_u, REAL *grad_delta, REAL *grad_bias, REAL *grad_a,
                         REAL *grad_bc, REAL *grad_d, REAL *grad_z) {
  const Scan scan = {prefixes, prefix_tokens, examples, tokens, prefix_of, chosen, asked, channels, states, bc_stride,
                     z_stride, u, delta, bias, a, bc, d, z, grad_out, NULL, grad_u, grad_delta, grad_bias, grad_a,
                     grad_bc, grad_d, grad_z};
  EACH_BLOCK(channels, backward)
}
