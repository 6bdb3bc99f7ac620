// Products in 8 bits. Weights were rounded when they were laid out; tokens are as they come: GROUP inputs of a token share
// a scale. What is summed between two scales are whole numbers, so that every kind of processor finds the same ones.
// Knows nothing of layers. eight_bits.py is the twin.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "matrix.h"

constexpr int QUAD = 4;        // inputs that one instruction takes of an output
constexpr int BIAS = 128;      // weights are kept without a sign: the instruction wants it of one side
constexpr float LARGEST = 127.0f;
#if defined(__AVX512F__)
constexpr int ROUNDED_TILE = 8;  // tokens at once: a register for whole numbers and one for floats each
#else
constexpr int ROUNDED_TILE = 4;
#endif
typedef int32_t Whole __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(sizeof(int32_t)), may_alias));

#if defined(__AVX2__)
// Eight outputs without the instruction: bytes widened to 16 bits, so that no sum saturates.
inline __m256i add_quads_of_eight(__m256i sums, const uint8_t* weights, int32_t inputs) {
  __m256i wide = _mm256_cvtepi8_epi16(_mm_set1_epi32(inputs));
  auto half = [&](const uint8_t* from) {
    return _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))), wide);
  };
  __m256i both = _mm256_hadd_epi32(half(weights), half(weights + 16));
  return _mm256_add_epi32(sums, _mm256_permute4x64_epi64(both, 0xD8));  // hadd mixes the halves: 0, 2, 1, 3
}
#endif

// sums[lane] += the lane's four weights times the four inputs that `inputs` holds.
inline Whole add_quads(Whole sums, const uint8_t* weights, int32_t inputs) {
#if defined(__AVX512VNNI__)
  return (Whole)_mm512_dpbusd_epi32((__m512i)sums, _mm512_loadu_si512(weights), _mm512_set1_epi32(inputs));
#elif defined(__AVX512F__)
  __m512i whole = (__m512i)sums;
  __m256i low = add_quads_of_eight(_mm512_castsi512_si256(whole), weights, inputs);
  __m256i high = add_quads_of_eight(_mm512_extracti64x4_epi64(whole, 1), weights + 8 * QUAD, inputs);
  return (Whole)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
#elif defined(__AVXVNNI__)
  __m256i loaded = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
  return (Whole)_mm256_dpbusd_avx_epi32((__m256i)sums, loaded, _mm256_set1_epi32(inputs));
#elif defined(__AVX2__)
  return (Whole)add_quads_of_eight((__m256i)sums, weights, inputs);
#else
  int8_t four[QUAD];
  std::memcpy(four, &inputs, QUAD);
  for (int lane = 0; lane < LANES; lane++)
    for (int i = 0; i < QUAD; i++) sums[lane] += int32_t(weights[lane * QUAD + i]) * four[i];
  return sums;
#endif
}

// Memory of rounded tokens, kept from step to step.
struct RoundedMemory {
  std::vector<int8_t> values;
  std::vector<float> scales;
  std::vector<int32_t> offsets;
};

// Tokens rounded: tiles of ROUNDED_TILE tokens, each [inputs / QUAD, tokens, QUAD] bytes, and [groups, tokens] scales and
// offsets (what the weights' bias adds to a sum, taken away).
class RoundedTokens {
 public:
  RoundedTokens(const float* from, long count, long inputs, RoundedMemory& memory)
      : count_(count), groups_((inputs + GROUP - 1) / GROUP) {
    if (long(memory.scales.size()) < count * groups_) {
      memory.values.resize(count * groups_ * GROUP);
      memory.scales.resize(count * groups_);
      memory.offsets.resize(count * groups_);
    }
    values_ = memory.values.data(), scales_ = memory.scales.data(), offsets_ = memory.offsets.data();
#pragma omp parallel for schedule(static) if (count > 1)
    for (long t = 0; t < count; t++) round_token(from + t * inputs, t / ROUNDED_TILE, t % ROUNDED_TILE, inputs);
  }
  long tiles() const { return (count_ + ROUNDED_TILE - 1) / ROUNDED_TILE; }
  long rows(long tile) const { return std::min<long>(ROUNDED_TILE, count_ - tile * ROUNDED_TILE); }
  long groups() const { return groups_; }
  const int8_t* values(long tile) const { return values_ + tile * ROUNDED_TILE * groups_ * GROUP; }
  const float* scales(long tile) const { return scales_ + tile * ROUNDED_TILE * groups_; }
  const int32_t* offsets(long tile) const { return offsets_ + tile * ROUNDED_TILE * groups_; }

 private:
  void round_token(const float* from, long tile, long row, long inputs) {
    long rows = this->rows(tile), at = tile * ROUNDED_TILE * groups_;
    for (long group = 0; group < groups_; group++) {
      long first = group * GROUP, many = std::min(GROUP, inputs - first);
      float highest = 0.0f;
#pragma omp simd reduction(max : highest)
      for (long i = 0; i < many; i++) highest = std::max(highest, std::fabs(from[first + i]));
      float scale = highest / LARGEST, divisor = scale > 0.0f ? scale : 1.0f;
      int32_t whole[GROUP] = {}, sum = 0;
#pragma omp simd reduction(+ : sum)
      for (long i = 0; i < many; i++) sum += whole[i] = int32_t(std::nearbyint(from[first + i] / divisor));
      int8_t narrow[GROUP];
      for (long i = 0; i < GROUP; i++) narrow[i] = int8_t(whole[i]);
      int8_t* into = values_ + at * GROUP + (first * rows) + row * QUAD;
      for (long i = 0; i < GROUP; i += QUAD) std::memcpy(into + i * rows, narrow + i, QUAD);
      scales_[at + group * rows + row] = scale;
      offsets_[at + group * rows + row] = -BIAS * sum;
    }
  }

  long count_, groups_;
  int8_t* values_;
  float* scales_;
  int32_t* offsets_;
};

template <int ROWS>
void rounded_product(const Matrix& matrix, long panel, const RoundedTokens& tokens, long tile, const Target& target) {
  long groups = tokens.groups();
  const uint8_t* weights = static_cast<const uint8_t*>(matrix.panels) + panel * groups * GROUP * LANES;
  const float *scales = matrix.scales + panel * groups * LANES, *token_scales = tokens.scales(tile);
  const int8_t* inputs = tokens.values(tile);
  const int32_t* offsets = tokens.offsets(tile);
  Vector totals[ROWS] = {};
  for (long group = 0; group < groups; group++, scales += LANES, token_scales += ROWS, offsets += ROWS) {
    Whole sums[ROWS];
    for (int i = 0; i < ROWS; i++) sums[i] = Whole{} + offsets[i];
    for (long k = 0; k < GROUP; k += QUAD, weights += LANES * QUAD) {
      if (ROWS > 2) fetch(weights + AHEAD * LANES * QUAD);
      for (int i = 0; i < ROWS; i++, inputs += QUAD) {
        int32_t four;
        std::memcpy(&four, inputs, QUAD);
        sums[i] = add_quads(sums[i], weights, four);
      }
    }
    Vector scale = vector_at(scales);
    for (int i = 0; i < ROWS; i++) totals[i] += __builtin_convertvector(sums[i], Vector) * (scale * token_scales[i]);
  }
  for (int i = 0; i < ROWS; i++) put(target, i, panel, matrix, totals[i]);
}

inline void rounded_product(const Matrix& matrix, long panel, const RoundedTokens& tokens, long tile, const Target& target) {
#define CASE(ROWS) \
  case ROWS: return rounded_product<ROWS>(matrix, panel, tokens, tile, target);
  switch (tokens.rows(tile)) {
    CASE(1) CASE(2) CASE(3) CASE(4)
#if defined(__AVX512F__)
    CASE(5) CASE(6) CASE(7) CASE(8)
#endif
  }
#undef CASE
}
