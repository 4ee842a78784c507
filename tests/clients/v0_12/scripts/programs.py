"""Programs that a user of 2023 uploads."""

import time

from account import service

TEXT = "def main(backend, user_messenger, **kwargs):\n    return 'θ'\n"


def uploaded():
    """Upload, look, change, share and delete."""
    metadata = {"name": f"mine-{time.time_ns()}", "max_execution_time": 300, "description": "one"}
    metadata["spec"] = {"parameters": {"properties": {"n": {"type": "integer"}}}}
    id = service().upload_program(data=TEXT, metadata=metadata)
    before = service().program(id, refresh=True)
    first = [before.name == metadata["name"], before.data == TEXT, before.description, before.is_public]
    service().update_program(id, description="two", data=TEXT + "# changed\n")
    service().set_program_visibility(id, public=True)
    after = service().program(id, refresh=True)
    names = [one.program_id for one in service().programs(refresh=True, limit=100)]
    service().delete_program(id)
    return {
        "first": first,
        "changed": after.data,
        "then": [after.description, after.is_public],
        "time": after.max_execution_time,
        "listed": id in names,
        "own": [name for name in ("sampler", "estimator") if name in names],
        "left": id in [one.program_id for one in service().programs(refresh=True, limit=100)],
    }


def uploaded_twice():
    """The same name again."""
    name = f"twice-{time.time_ns()}"
    for _ in range(2):
        service().upload_program(
            data=TEXT, metadata={"name": name, "max_execution_time": 300, "description": "x"}
        )


def run():
    """A program of one's own."""
    name = f"run-{time.time_ns()}"
    id = service().upload_program(
        data=TEXT, metadata={"name": name, "max_execution_time": 300, "description": "x"}
    )
    service().run(id, {}, options={"backend": "ibmq_qasm_simulator"})
