// A processor's vectors of floats, for decoder.cpp: how many fit into one, and how many tokens a product takes at once.

#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16, TILE = 16;
#elif defined(__AVX__)
constexpr int LANES = 8, TILE = 12;
#else
constexpr int LANES = 4, TILE = 8;
#endif
typedef float Vector __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

// A product asks for the weights that it will need so many vectors later: while it computes for several tokens, the
// processor's own looking ahead is not far enough, and memory would wait for sums and sums for memory.
constexpr long AHEAD = 128;

inline void fetch(const void* at) { __builtin_prefetch(at); }

inline Vector vector_at(const float* from) { return *reinterpret_cast<const Vector*>(from); }
// A bfloat16 is the upper half of a float.
typedef uint16_t Halves __attribute__((vector_size(LANES * sizeof(uint16_t)), aligned(sizeof(uint16_t)), may_alias));
typedef uint32_t Bits __attribute__((vector_size(LANES * sizeof(uint32_t))));
inline Vector vector_at(const uint16_t* from) {
  Bits bits = __builtin_convertvector(*reinterpret_cast<const Halves*>(from), Bits) << 16;
  Vector found;
  std::memcpy(&found, &bits, sizeof found);
  return found;
}

inline Vector& vector_in(float* into) { return *reinterpret_cast<Vector*>(into); }
