// Decode a stream in a file, and say what it holds: C++ on the installed library.
//
//   c++ examples/decode.cc $(pkg-config --cflags --libs medroi) -o decode && ./decode FILE
#include <medroi.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

int main(int argc, char **argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s FILE\n", argv[0]);
        return 2;
    }
    std::ifstream file(argv[1], std::ios::binary);
    std::vector<char> stream{std::istreambuf_iterator<char>(file), {}};
    medroi_error error;
    medroi_info info;
    if (medroi_inspect(stream.data(), stream.size(), &info, &error) != MEDROI_OK) {
        std::fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    std::vector<unsigned char> voxels(medroi_array_nbytes(&info.layout));
    medroi_context *context = nullptr;
    if (medroi_context_new(2, &context, &error) != MEDROI_OK) {
        return 1;
    }
    std::unique_ptr<medroi_context, decltype(&medroi_context_free)> owner(context,
                                                                          medroi_context_free);
    if (medroi_decode(context, stream.data(), stream.size(), voxels.data(), voxels.size(),
                      &error) != MEDROI_OK) {
        std::fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    unsigned long long sum = 0;
    for (unsigned char byte : voxels) {
        sum += byte;
    }
    std::printf("libmedroi %s: %s, %zu bytes of voxels, their sum %llu\n", medroi_version(),
                info.inner_name, voxels.size(), sum);
    return 0;
}
