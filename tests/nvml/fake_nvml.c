/* A library that answers as NVML does, from a table that the compiler is given with `-include` (fake_nvml.py writes it).
 *
 * Numbers and structures are those of the NVML API reference, https://docs.nvidia.com/deploy/nvml-api. A handle is a
 * pointer to a row of the table, whose first member tells GPUs from MIG devices.
 */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
};

typedef struct {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
} pci_info;

typedef struct {
    unsigned multiprocessors, copy_engines, decoders, encoders, jpeg, ofa, gpu_slices, compute_slices;
    unsigned long long memory;
} attributes;

typedef struct {
    unsigned version, value;
} addressing_mode;

typedef struct {
    unsigned id, p2p, slices, instances, multiprocessors, copy_engines, decoders, encoders, jpeg, ofa;
    unsigned long long memory;
} profile_info;

typedef struct {
    void *device;
    unsigned id, profile_id, start, size;
} instance_info;

static int users;

#define CHECK(handle, wanted)                                                                                          \
    do {                                                                                                               \
        if (!users)                                                                                                    \
            return UNINITIALIZED;                                                                                      \
        if (!(handle) || *(const int *)(handle) != (wanted))                                                           \
            return INVALID_ARGUMENT;                                                                                   \
    } while (0)

static int give(const char *text, char *buffer, unsigned size)
{
    if (strlen(text) >= size)
        return INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags)
{
    (void)flags;
    if (INIT_ERROR)
        return INIT_ERROR;
    users++;
    return SUCCESS;
}

int nvmlInit_v2(void)
{
    return nvmlInitWithFlags(0);
}

int nvmlShutdown(void)
{
    if (!users)
        return UNINITIALIZED;
    users--;
    return SUCCESS;
}

/* How often it was initialised and not shut down: no part of NVML. */
int fake_users(void)
{
    return users;
}

const char *nvmlErrorString(int error)
{
    static char text[32];
    snprintf(text, sizeof text, "error %d of the fake", error);
    return text;
}

int nvmlSystemGetDriverVersion(char *version, unsigned length)
{
    return users ? give(DRIVER_VERSION, version, length) : UNINITIALIZED;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    if (!users)
        return UNINITIALIZED;
    *count = GPUS;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, const void **device)
{
    if (!users)
        return UNINITIALIZED;
    if (index >= GPUS)
        return INVALID_ARGUMENT;
    if (gpus[index].handle_error)
        return gpus[index].handle_error;
    *device = &gpus[index];
    return SUCCESS;
}

int nvmlDeviceGetMinorNumber(const void *device, unsigned *minor)
{
    const gpu *self = device;
    CHECK(device, A_GPU);
    if (self->minor < 0)
        return -self->minor;
    *minor = (unsigned)self->minor;
    return SUCCESS;
}

int nvmlDeviceGetUUID(const void *device, char *uuid, unsigned length)
{
    if (!users)
        return UNINITIALIZED;
    return give(*(const int *)device == A_GPU ? ((const gpu *)device)->uuid : ((const instance *)device)->uuid, uuid,
                length);
}

int nvmlDeviceGetName(const void *device, char *name, unsigned length)
{
    if (!users)
        return UNINITIALIZED;
    return give(*(const int *)device == A_GPU ? ((const gpu *)device)->name : ((const instance *)device)->name, name,
                length);
}

int nvmlDeviceGetPciInfo_v3(const void *device, pci_info *pci)
{
    const gpu *self = device;
    CHECK(device, A_GPU);
    memset(pci, 0, sizeof *pci);
    sscanf(self->bus_id, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device);
    snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "%04X:%02X:%02X.0", pci->domain & 0xffff, pci->bus & 0xff,
             pci->device & 0xff);
    strncpy(pci->bus_id, self->bus_id, sizeof pci->bus_id - 1);
    return SUCCESS;
}

int nvmlDeviceGetNumaNodeId(const void *device, int *node)
{
    CHECK(device, A_GPU);
    if (((const gpu *)device)->memory_node < 0)
        return NOT_SUPPORTED;
    *node = ((const gpu *)device)->memory_node;
    return SUCCESS;
}

int nvmlDeviceGetAddressingMode(const void *device, addressing_mode *mode)
{
    CHECK(device, A_GPU);
    if (((const gpu *)device)->addressing < 0)
        return NOT_SUPPORTED;
    mode->value = (unsigned)((const gpu *)device)->addressing;
    return SUCCESS;
}

int nvmlDeviceGetMigMode(const void *device, unsigned *current, unsigned *pending)
{
    const gpu *self = device;
    CHECK(device, A_GPU);
    if (self->mig < 0)
        return NOT_SUPPORTED;
    *current = (unsigned)self->mig;
    *pending = (unsigned)self->mig_pending;
    return SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(const void *device, unsigned *count)
{
    CHECK(device, A_GPU);
    *count = ((const gpu *)device)->mig < 0 ? 0 : 7;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(const void *device, unsigned index, const void **mig)
{
    CHECK(device, A_GPU);
    for (unsigned i = 0; i < INSTANCES; i++)
        if (&gpus[instances[i].parent] == device && instances[i].index == index) {
            *mig = &instances[i];
            return SUCCESS;
        }
    return NOT_FOUND;
}

int nvmlDeviceGetGpuInstanceId(const void *device, unsigned *id)
{
    CHECK(device, AN_INSTANCE);
    if (((const instance *)device)->error)
        return ((const instance *)device)->error;
    *id = ((const instance *)device)->gpu_instance;
    return SUCCESS;
}

int nvmlDeviceGetComputeInstanceId(const void *device, unsigned *id)
{
    CHECK(device, AN_INSTANCE);
    *id = ((const instance *)device)->compute_instance;
    return SUCCESS;
}

int nvmlDeviceGetAttributes_v2(const void *device, attributes *found)
{
    CHECK(device, AN_INSTANCE);
    memset(found, 0, sizeof *found);
    found->memory = ((const instance *)device)->memory;
    return SUCCESS;
}

int nvmlDeviceGetGpuInstanceById(const void *device, unsigned id, const void **found)
{
    CHECK(device, A_GPU);
    for (unsigned i = 0; i < INSTANCES; i++)
        if (&gpus[instances[i].parent] == device && instances[i].gpu_instance == id) {
            *found = &instances[i];
            return SUCCESS;
        }
    return NOT_FOUND;
}

int nvmlGpuInstanceGetInfo(const void *device, instance_info *info)
{
    CHECK(device, AN_INSTANCE);
    memset(info, 0, sizeof *info);
    info->id = ((const instance *)device)->gpu_instance;
    info->profile_id = ((const instance *)device)->profile_id;
    return SUCCESS;
}

/* Profile 10 is a slice with graphics, and has the number 47; 0 is one without, and has 19. */
int nvmlDeviceGetGpuInstanceProfileInfo(const void *device, unsigned profile, profile_info *info)
{
    CHECK(device, A_GPU);
    if (profile != 0 && profile != 10)
        return NOT_SUPPORTED;
    memset(info, 0, sizeof *info);
    info->id = profile == 10 ? 47 : 19;
    return SUCCESS;
}
