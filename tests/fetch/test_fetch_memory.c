/* SPDX-License-Identifier: MIT */
#include "fetch/peers.h"
