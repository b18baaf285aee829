// What the kernel gave this program when it started it.
#pragma once

// The arguments, the program's name first. They are the ones of main(): Swift's own list is empty when a
// preloaded library has set a variable of the environment.
int program_argument_count(void);
const char *program_argument(int index);
