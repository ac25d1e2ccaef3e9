"""The API's own messages, as google-cloud-run ships them.

The plain protobuf classes under the client's proto-plus wrappers: building a task through the wrappers costs ten times
as much, and an execution may have 10,000 of them. Protobuf classes are made at run time and have no static types, so
values of them are `Any` to the type checker; the aliases below say which message is meant.
"""

from __future__ import annotations

from typing import Any

from google.api import launch_stage_pb2
from google.longrunning import operations_proto_pb2 as operations_pb2
from google.protobuf import any_pb2, empty_pb2
from google.rpc import error_details_pb2, status_pb2

from jobs_emulator.run_messages import import_messages

run_v2 = import_messages()

JobMessage = Any
ExecutionMessage = Any
ExecutionTemplateMessage = Any
TaskMessage = Any
TaskTemplateMessage = Any
ContainerMessage = Any
ConditionMessage = Any
OperationMessage = Any
OverridesMessage = Any
RequestMessage = Any
ResponseMessage = Any
StatusMessage = Any
TaskAttemptResultMessage = Any
TimestampMessage = Any
AnyMessage = Any
Descriptor = Any
Field = Any
Json = Any

Job: Any = run_v2.Job.pb()
Execution: Any = run_v2.Execution.pb()
ExecutionReference: Any = run_v2.ExecutionReference.pb()
Task: Any = run_v2.Task.pb()
TaskTemplate: Any = run_v2.TaskTemplate.pb()
Container: Any = run_v2.Container.pb()
Condition: Any = run_v2.Condition.pb()

CreateJobRequest: Any = run_v2.CreateJobRequest.pb()
GetJobRequest: Any = run_v2.GetJobRequest.pb()
ListJobsRequest: Any = run_v2.ListJobsRequest.pb()
ListJobsResponse: Any = run_v2.ListJobsResponse.pb()
UpdateJobRequest: Any = run_v2.UpdateJobRequest.pb()
DeleteJobRequest: Any = run_v2.DeleteJobRequest.pb()
RunJobRequest: Any = run_v2.RunJobRequest.pb()
GetExecutionRequest: Any = run_v2.GetExecutionRequest.pb()
ListExecutionsRequest: Any = run_v2.ListExecutionsRequest.pb()
ListExecutionsResponse: Any = run_v2.ListExecutionsResponse.pb()
CancelExecutionRequest: Any = run_v2.CancelExecutionRequest.pb()
DeleteExecutionRequest: Any = run_v2.DeleteExecutionRequest.pb()
GetTaskRequest: Any = run_v2.GetTaskRequest.pb()
ListTasksRequest: Any = run_v2.ListTasksRequest.pb()
ListTasksResponse: Any = run_v2.ListTasksResponse.pb()

Operation: Any = operations_pb2.Operation
GetOperationRequest: Any = operations_pb2.GetOperationRequest
ListOperationsRequest: Any = operations_pb2.ListOperationsRequest
ListOperationsResponse: Any = operations_pb2.ListOperationsResponse
WaitOperationRequest: Any = operations_pb2.WaitOperationRequest
DeleteOperationRequest: Any = operations_pb2.DeleteOperationRequest
Empty: Any = empty_pb2.Empty
Any_: Any = any_pb2.Any
Status: Any = status_pb2.Status
BadRequest: Any = error_details_pb2.BadRequest

ConditionState = run_v2.Condition.State
Severity = run_v2.Condition.Severity
CommonReason = run_v2.Condition.CommonReason
ExecutionReason = run_v2.Condition.ExecutionReason
CompletionStatus = run_v2.ExecutionReference.CompletionStatus
ExecutionEnvironment = run_v2.ExecutionEnvironment
LaunchStage: Any = launch_stage_pb2.LaunchStage


def pack(message: ResponseMessage) -> AnyMessage:
    """`message` in a google.protobuf.Any."""
    packed = Any_()
    packed.Pack(message)
    return packed


def set_timestamp(field: TimestampMessage, seconds: float) -> None:
    """Writes Unix `seconds` into a Timestamp field.

    To the microsecond as the API does.
    """
    micros = round(seconds * 1_000_000)
    field.seconds, remainder = divmod(micros, 1_000_000)
    field.nanos = remainder * 1000
    field.SetInParent()
