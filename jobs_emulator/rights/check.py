"""Asks the policy before a call and before an execution starts.

Before a method is carried out. Permissions of methods: https://cloud.google.com/run/docs/reference/iam/permissions.
Cloud Run reads an execution's secrets as the job's own account and connects to Cloud SQL as it.
"""

from __future__ import annotations

from jobs_emulator.errors import ApiError, Code
from jobs_emulator.protos import RequestMessage, TaskTemplateMessage
from jobs_emulator.rights.policy import Policy

_PERMISSIONS = {
    "Jobs.CreateJob": "run.jobs.create",
    "Jobs.GetJob": "run.jobs.get",
    "Jobs.ListJobs": "run.jobs.list",
    "Jobs.UpdateJob": "run.jobs.update",
    "Jobs.DeleteJob": "run.jobs.delete",
    "Jobs.RunJob": "run.jobs.run",
    "Executions.GetExecution": "run.executions.get",
    "Executions.ListExecutions": "run.executions.list",
    "Executions.CancelExecution": "run.executions.cancel",
    "Executions.DeleteExecution": "run.executions.delete",
    "Tasks.GetTask": "run.tasks.get",
    "Tasks.ListTasks": "run.tasks.list",
    "Operations.GetOperation": "run.operations.get",
    "Operations.ListOperations": "run.operations.list",
    "Operations.WaitOperation": "run.operations.get",
    "Operations.DeleteOperation": "run.operations.delete",
}


class Rights:
    """The policy of an emulator; without one everything is allowed."""

    def __init__(self, policy: Policy | None) -> None:
        self._policy = policy

    def check_call(self, method: str, request: RequestMessage, authorization: str) -> None:
        """Raise PERMISSION_DENIED unless the caller may call the method.

        The caller sent the header; the method names a resource.
        """
        if self._policy is None:
            return
        member, resource = self._policy.member_of(authorization), _resource_of(request)
        self._check(member, _PERMISSIONS[method], resource)
        if method == "Jobs.RunJob" and request.HasField("overrides"):
            self._check(member, "run.jobs.runWithOverrides", resource)

    def check_start(self, project: str, template: TaskTemplateMessage) -> None:
        """Raise PERMISSION_DENIED unless the template's account has its rights.

        It must be allowed to read its secrets and connect to its databases.
        """
        if self._policy is None:
            return
        member = f"serviceAccount:{template.service_account}"
        for container in template.containers:
            for variable in container.env:
                if variable.WhichOneof("values") == "value_source":
                    secret = variable.value_source.secret_key_ref.secret
                    whole = secret if secret.startswith("projects/") else f"projects/{project}/secrets/{secret}"
                    self._check(member, "secretmanager.versions.access", whole)
        for volume in template.volumes:
            for instance in volume.cloud_sql_instance.instances:
                place = f"projects/{instance.rsplit(':', 2)[0]}/instances/{instance}"
                self._check(member, "cloudsql.instances.connect", place)

    def _check(self, member: str, permission: str, resource: str) -> None:
        assert self._policy is not None  # noqa: S101 - both callers have looked
        if not self._policy.allows(member, permission, resource):
            raise ApiError(
                Code.PERMISSION_DENIED,
                f"Permission '{permission}' denied on resource '{resource}' (or it may not exist), "
                f"for {member or 'a caller without a token of the policy'}.",
            )


def _resource_of(request: RequestMessage) -> str:
    for field in ("name", "parent"):
        if field in request.DESCRIPTOR.fields_by_name and getattr(request, field):
            return str(getattr(request, field))
    return str(request.job.name)
