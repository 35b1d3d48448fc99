#include "world.h"
const struct test_case model_cases[] = { { 0 } };
