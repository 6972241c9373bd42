/* Preloaded: what libcamera's virtual cameras lack of a sensor and of a Pi's kernel.
 *
 * - Memory: requests for dma-heap buffers are answered with memfds, as this kernel has no dma-heaps.
 * - Time: a frame is complete VIRTUAL_FRAME_US after the one before; the handler itself completes at once what is queued.
 * - Success: libcamera 0.4.0 leaves the state of a virtual frame unset, whatever the memory held; later ones set it.
 * - Motion: each frame is the next picture; the handler shows each one four times.
 * - Loss: while VIRTUAL_UNPLUGGED names a file that exists, no frame is completed until the camera is stopped.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SHOWN_TIMES 4
#define MOST_HELD 64
#define S_IN_NS 1000000000L
/* In libcamera 0.4 for amd64: what a FrameBuffer keeps to itself, and in it the frame's state; 0 is success. */
#define PRIVATE_AT 8
#define STATE_AT 0x28

/* libcamera's own names, as the C++ compiler writes them. */
#define COMPLETE_REQUEST _ZN9libcamera15PipelineHandler15completeRequestEPNS_7RequestE
#define STOP _ZN9libcamera15PipelineHandler4stopEPNS_6CameraE
#define GENERATE_FRAME _ZN9libcamera19ImageFrameGenerator13generateFrameERKNS_4SizeEPKNS_11FrameBufferE
#define NAME_OF(symbol) NAME_AGAIN(symbol)
#define NAME_AGAIN(symbol) #symbol

static void *held[MOST_HELD];
static int held_count;

/* libcamera's own function of this name; the library is loaded by a Python module, for which RTLD_NEXT does not look. */
static void *own(const char *name, void *caller)
{
    static void *library;
    Dl_info here;
    if (!library && dladdr(caller, &here))
        library = dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    void *found = library ? dlsym(library, name) : NULL;
    if (!found)
        abort();
    return found;
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    switch ((unsigned int)request) {
    case (unsigned int)DMA_HEAP_IOCTL_ALLOC: {
        struct dma_heap_allocation_data *wanted = argument;
        int memory = memfd_create("dma-heap", (wanted->fd_flags & O_CLOEXEC) ? MFD_CLOEXEC : 0);
        if (memory < 0)
            return -1;
        if (ftruncate(memory, (off_t)wanted->len)) {
            close(memory);
            return -1;
        }
        wanted->fd = (unsigned int)memory;
        return 0;
    }
    case (unsigned int)DMA_BUF_IOCTL_SYNC:
    case (unsigned int)DMA_BUF_SET_NAME_A:
    case (unsigned int)DMA_BUF_SET_NAME_B:
        return 0;
    }
    if (!real)
        real = dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, argument);
}

/* Wait, in the thread that is the sensor, until the next frame is due; late frames are not made up for. */
static void await_frame(void)
{
    static struct timespec due;
    const char *setting = getenv("VIRTUAL_FRAME_US");
    long frame_ns = (setting ? atol(setting) : 33333) * 1000;
    struct timespec now;
    due.tv_nsec += frame_ns;
    due.tv_sec += due.tv_nsec / S_IN_NS;
    due.tv_nsec %= S_IN_NS;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > due.tv_sec || (now.tv_sec == due.tv_sec && now.tv_nsec >= due.tv_nsec))
        due = now;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL))
        ;
}

static int is_unplugged(void)
{
    const char *file = getenv("VIRTUAL_UNPLUGGED");
    return file && !access(file, F_OK);
}

void COMPLETE_REQUEST(void *handler, void *request)
{
    static void (*real)(void *, void *);
    if (!real)
        real = own(NAME_OF(COMPLETE_REQUEST), __builtin_return_address(0));
    await_frame();
    if (is_unplugged() && held_count < MOST_HELD)
        held[held_count++] = request;
    else
        real(handler, request);
}

void STOP(void *handler, void *camera)
{
    static void (*real)(void *, void *), (*complete)(void *, void *);
    if (!real) {
        real = own(NAME_OF(STOP), __builtin_return_address(0));
        complete = own(NAME_OF(COMPLETE_REQUEST), __builtin_return_address(0));
    }
    while (held_count)
        complete(handler, held[--held_count]);
    real(handler, camera);
}

int GENERATE_FRAME(void *generator, const void *size, const void *buffer)
{
    static int (*real)(void *, const void *, const void *);
    if (!real)
        real = own(NAME_OF(GENERATE_FRAME), __builtin_return_address(0));
    char *private = *(char *const *)((const char *)buffer + PRIVATE_AT);
    *(unsigned int *)(private + STATE_AT) = 0;
    int failed = 0;
    for (int time = 0; time < SHOWN_TIMES && !failed; time++)
        failed = real(generator, size, buffer);
    return failed;
}
