// node::ObjectWrap of Node 24.19 and later 24.x aborts the process when the garbage collector frees an object that derives from
// it (nodejs/node#65446, mscdex/ssh2#1511): its destructor removes a clean-up hook from a weak callback, where no context
// is entered. This header is included before all others and leaves the hooks out, as they were before 24.19: what
// lives at the end of the process is then left to the end of the process.
#pragma once
#include <node.h>

namespace node {
inline void NoCleanupHook(v8::Isolate*, void (*)(void*), void*) {}
}

#define AddEnvironmentCleanupHook NoCleanupHook
#define RemoveEnvironmentCleanupHook NoCleanupHook
#include <node_object_wrap.h>
#undef AddEnvironmentCleanupHook
#undef RemoveEnvironmentCleanupHook
