"""kube_client: the verbs, and what every kind of answer becomes."""
from concurrent.futures import ThreadPoolExecutor

import pytest
from driver import error_code, wait_for


def pod_of(driver, namespace, name="p", **how):
    return driver.manifest(session_id=name, namespace=namespace, **how)


def test_life_of_a_pod(driver, namespace, server, pods):
    made = driver.create(pod_of(driver, namespace))
    assert (made["status"], made["error"], made["outcome_unknown"]) == (201, None, False)
    uid = made["object"]["metadata"]["uid"]
    assert driver.get("p")["object"]["metadata"]["uid"] == uid
    changed = driver.patch("p", {"metadata": {"annotations": {"spillway.dev/deadline": "2030-01-01T00:00:00.000Z"}}})
    assert changed["status"] == 200
    assert changed["object"]["metadata"]["annotations"]["spillway.dev/deadline"] == "2030-01-01T00:00:00.000Z"
    gone = driver.delete("p", uid)
    assert (gone["status"], gone["error"]) == (200, None)
    wait_for(lambda: server.api.get(f"{pods}/p").status == 404, "the pod is gone")
    assert error_code(driver.get("p")) == "not_found"


def test_manifest_comes_back_as_it_was_sent(driver, namespace):
    """Nothing that the gateway relies on is dropped or changed by the server's defaults."""
    sent = pod_of(driver, namespace)
    got = driver.create(sent)["object"]

    def within(small, large, where):
        if isinstance(small, dict):
            for key, value in small.items():
                assert key in large, f"{where}.{key} is missing"
                within(value, large[key], f"{where}.{key}")
        elif isinstance(small, list):
            assert len(small) == len(large), where
            for index, value in enumerate(small):
                within(value, large[index], f"{where}[{index}]")
        else:
            assert small == large, f"{where}: {small!r} became {large!r}"
    sent["spec"].pop("volumes")  # quantities come in their own spelling
    for container in sent["spec"]["containers"] + sent["spec"]["initContainers"]:
        container.pop("resources")
    within(sent, got, "pod")


def test_create_twice_is_a_conflict(driver, namespace):
    assert driver.create(pod_of(driver, namespace))["error"] is None
    again = driver.create(pod_of(driver, namespace))
    assert (again["status"], error_code(again), again["outcome_unknown"]) == (409, "conflict", False)
    assert "already exists" in again["error"]["message"]


def test_not_found(driver):
    for result in (driver.get("nobody"), driver.delete("nobody", "5b4a1c1e-0000-4000-8000-000000000000"), driver.patch("nobody", {"metadata": {}})):
        assert (result["status"], error_code(result), result["outcome_unknown"]) == (404, "not_found", False)
        assert result["object"]["kind"] == "Status"


def test_delete_heeds_the_uid(driver, namespace, server, pods):
    uid = driver.create(pod_of(driver, namespace))["object"]["metadata"]["uid"]
    other = driver.delete("p", "5b4a1c1e-0000-4000-8000-000000000000")
    assert (other["status"], error_code(other)) == (409, "conflict")
    assert server.api.get(f"{pods}/p").json()["metadata"]["uid"] == uid
    assert driver.delete("p", uid)["error"] is None


def test_patch_heeds_the_version(driver, namespace):
    made = driver.create(pod_of(driver, namespace))["object"]["metadata"]
    driver.patch("p", {"metadata": {"labels": {"a": "1"}}})
    stale = driver.patch("p", {"metadata": {"labels": {"a": "2"}, "resourceVersion": made["resourceVersion"]}})
    assert (stale["status"], error_code(stale)) == (409, "conflict")
    fresh = driver.get("p")["object"]["metadata"]
    assert fresh["labels"]["a"] == "1"
    assert driver.patch("p", {"metadata": {"labels": {"a": "2"}, "resourceVersion": fresh["resourceVersion"]}})["error"] is None


def test_patch_takes_a_label_away(driver, namespace):
    driver.create(pod_of(driver, namespace))
    driver.patch("p", {"metadata": {"labels": {"a": "1"}}})
    assert "a" not in driver.patch("p", {"metadata": {"labels": {"a": None}}})["object"]["metadata"]["labels"]


@pytest.mark.parametrize("change", [
    {"metadata": {"name": "Not_A_Name"}}, {"spec": {"containers": []}}, {"spec": {"restartPolicy": "Sometimes"}},
    {"metadata": {"labels": {"a": "-no-label-"}}}, {"spec": {"activeDeadlineSeconds": -1}}])
def test_what_is_invalid_is_refused(driver, namespace, change):
    pod = pod_of(driver, namespace)
    for part, fields in change.items():
        pod[part].update(fields)
    result = driver.create(pod)
    assert (result["status"], error_code(result), result["outcome_unknown"]) == (422, "invalid_argument", False)
    assert result["object"]["reason"] == "Invalid"
    assert len(result["error"]["message"]) > 30


def test_namespace_that_is_not_there(server, namespace, drivers):
    driver = server.driver("not-there", **server.access(namespace))
    drivers.append(driver)
    result = driver.create(pod_of(driver, "not-there"))
    # Who may not look is not told that there is nothing.
    assert error_code(result) == ("forbidden" if server.name == "apiserver" else "not_found")


def test_cancelled_call_is_never_answered(driver, namespace, server):
    server.pause()
    try:
        driver.call("get", name="p", cancel=True)
    finally:
        server.resume()
    assert error_code(driver.get("p")) == "not_found"


def test_server_that_is_silent(make_driver, namespace, server):
    driver = make_driver(call_ms=700)
    pod = pod_of(driver, namespace)
    driver.get("p")  # the connection is there
    server.pause()
    try:
        read = driver.get("p")
        write = driver.create(pod)
    finally:
        server.resume()
    assert (read["status"], error_code(read), read["outcome_unknown"]) == (0, "unavailable", False)
    assert (write["status"], error_code(write), write["outcome_unknown"]) == (0, "unavailable", True)
    wait_for(lambda: driver.get("p")["status"] in (200, 404), "it answers again")


def test_server_that_is_not_there(server, namespace, drivers):
    driver = server.driver(namespace, **server.access(namespace, server.url.replace("6443", "6444")))
    drivers.append(driver)
    result = driver.create(pod_of(driver, namespace))
    assert (result["status"], error_code(result), result["outcome_unknown"]) == (0, "unavailable", False)


def test_many_calls_at_once(driver, namespace, server, pods):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda n: driver.create(pod_of(driver, namespace, f"p-{n}")), range(64)))
    assert {each["status"] for each in results} == {201}
    assert len(server.api.get(pods).json()["items"]) == 64


@pytest.mark.only("apiserver")
def test_pod_security_refuses_what_is_not_restricted(driver, namespace):
    for field, value in (("hostNetwork", True), ("securityContext", {"runAsNonRoot": False})):
        pod = pod_of(driver, namespace)
        pod["spec"][field] = value
        if field == "securityContext":
            for container in pod["spec"]["containers"] + pod["spec"]["initContainers"]:
                container.pop("securityContext")
        result = driver.create(pod)
        assert (result["status"], error_code(result)) == (403, "forbidden")
        assert "PodSecurity" in result["error"]["message"]


@pytest.mark.only("apiserver")
def test_quota_is_a_full_cluster(driver, namespace, server):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": namespace}, "spec": {"hard": {"pods": "1"}}}
    server.api.create(quota).expect(201)
    # No controller manager runs here that would do this.
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/q/status"
    server.api.patch(path, {"status": {"hard": {"pods": "1"}, "used": {"pods": "0"}}}).expect(200)

    def full():
        result = driver.create(pod_of(driver, namespace, f"p-{len(seen)}"))
        seen.append(result)
        return result["status"] == 403
    seen = []
    wait_for(full, "the quota holds")
    assert error_code(seen[-1]) == "capacity_full"
    assert "exceeded quota" in seen[-1]["error"]["message"]


def test_calls_beside_watches(driver, namespace):
    """Watches have HTTP/1.1 connections of their own; no other call gets into one of those."""
    driver.store()
    wait_for(lambda: driver.state()["store"]["synced"], "both watches are open")
    pod = driver.manifest(session_id="p", namespace=namespace)
    for number in range(4):
        pod["metadata"]["name"] = f"p-{number}"
        assert driver.create(pod)["status"] == 201
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: driver.get(f"p-{number % 8}")["status"], range(32)))
    assert sorted(set(found)) == [200, 404] and found.count(200) == 16
    wait_for(lambda: len(driver.state()["store"]["pods"]) == 4, "the watch tells of them")
    assert driver.state()["store"]["connected"]
