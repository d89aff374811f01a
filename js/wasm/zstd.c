/* Zstandard in one file, of which its decoder is linked. What builds dictionaries asks for a clock,
 * which WebAssembly would have to import, though nothing calls it. */
#include <time.h>
#define clock() ((clock_t)0)
#include <zstd.c>
