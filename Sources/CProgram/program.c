#include "program.h"

static int count;
static char **arguments;

// glibc calls constructors with the arguments of main().
__attribute__((constructor)) static void begin(int argc, char **argv) {
  count = argc;
  arguments = argv;
}

int program_argument_count(void) { return count; }

const char *program_argument(int index) { return arguments[index]; }
