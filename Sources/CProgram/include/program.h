// What the kernel gave this program when it started it.
#pragma once

// The arguments, the program's name first. They are the ones of main(): Swift's own list is empty where there is no
// /proc, and when a preloaded library has set a variable of the environment.
int program_argument_count(void);
const char *program_argument(int index);

// The path that the program was started by (AT_EXECFN); NULL when the kernel tells none.
const char *program_path(void);
