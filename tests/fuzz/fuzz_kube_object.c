/* Objects of the Kubernetes API. */
#include "base/json.h"
#include "clusters/kube_object.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct json_t *j = json_parse((struct slice){(const char *)data, size}, &err);
    if (!j)
        return 0;
    struct kube_pod *pod = kube_pod_parse(j, &err);
    struct kube_node *node = kube_node_parse(j, &err);
    if (pod)
        INVARIANT(pod->name && pod->uid && pod->requests.millicpu >= 0 &&
                  pod->requests.memory_bytes >= 0);
    if (node)
        INVARIANT(node->name && node->allocatable.millicpu >= 0);
    kube_pod_free(&pod);
    kube_node_free(&node);
    json_free(j);
    return 0;
}
