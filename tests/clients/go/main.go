// Drives the Cloud Run Admin API with Google's own client for Go; only endpoint and credentials differ from the cloud.
// Usage: cloudrunclientingo HOST:PORT PARENT JOB_ID. Prints one JSON object with what it saw.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	run "cloud.google.com/go/run/apiv2"
	"cloud.google.com/go/run/apiv2/runpb"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

type seen struct {
	TimeoutSeconds int64   `json:"timeoutSeconds"`
	Succeeded      int32   `json:"succeeded"`
	Tasks          []int32 `json:"tasks"`
	Failure        string  `json:"failure"`
	Cancelled      int32   `json:"cancelled"`
	Executions     int     `json:"executions"`
	Gone           string  `json:"gone"`
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx, cancelAll := context.WithTimeout(context.Background(), time.Minute)
	defer cancelAll()
	address, parent, jobID := os.Args[1], os.Args[2], os.Args[3]
	name := parent + "/jobs/" + jobID
	options := []option.ClientOption{
		option.WithEndpoint(address),
		option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}
	jobs, err := run.NewJobsClient(ctx, options...)
	check(err)
	defer jobs.Close()
	executions, err := run.NewExecutionsClient(ctx, options...)
	check(err)
	defer executions.Close()
	tasks, err := run.NewTasksClient(ctx, options...)
	check(err)
	defer tasks.Close()
	var out seen

	creation, err := jobs.CreateJob(ctx, &runpb.CreateJobRequest{Parent: parent, JobId: jobID, Job: &runpb.Job{
		Template: &runpb.ExecutionTemplate{TaskCount: 2, Template: &runpb.TaskTemplate{
			Containers: []*runpb.Container{{Image: "sh", Args: []string{"exit ${CODE:-0}"}}},
			Retries:    &runpb.TaskTemplate_MaxRetries{MaxRetries: 0},
		}},
	}})
	check(err)
	created, err := creation.Wait(ctx)
	check(err)
	out.TimeoutSeconds = created.Template.Template.Timeout.Seconds

	first, err := jobs.RunJob(ctx, &runpb.RunJobRequest{Name: name, Overrides: &runpb.RunJobRequest_Overrides{TaskCount: 3}})
	check(err)
	execution, err := first.Wait(ctx)
	check(err)
	out.Succeeded = execution.SucceededCount
	for it := tasks.ListTasks(ctx, &runpb.ListTasksRequest{Parent: execution.Name, PageSize: 2}); ; {
		task, err := it.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		check(err)
		out.Tasks = append(out.Tasks, task.Index)
	}

	code := &runpb.EnvVar{Name: "CODE", Values: &runpb.EnvVar_Value{Value: "5"}}
	failing, err := jobs.RunJob(ctx, override(name, &runpb.RunJobRequest_Overrides_ContainerOverride{Env: []*runpb.EnvVar{code}}))
	check(err)
	if _, err = failing.Wait(ctx); err != nil {
		out.Failure = err.Error()
	}

	endless, err := jobs.RunJob(ctx, override(name, &runpb.RunJobRequest_Overrides_ContainerOverride{Args: []string{"sleep 100"}}))
	check(err)
	started, err := endless.Metadata()
	check(err)
	cancel, err := executions.CancelExecution(ctx, &runpb.CancelExecutionRequest{Name: started.Name})
	check(err)
	cancelled, err := cancel.Wait(ctx)
	check(err)
	out.Cancelled = cancelled.CancelledCount

	for it := executions.ListExecutions(ctx, &runpb.ListExecutionsRequest{Parent: name}); ; {
		_, err := it.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		check(err)
		out.Executions++
	}
	deletion, err := jobs.DeleteJob(ctx, &runpb.DeleteJobRequest{Name: name})
	check(err)
	_, err = deletion.Wait(ctx)
	check(err)
	if _, err = jobs.GetJob(ctx, &runpb.GetJobRequest{Name: name}); err != nil {
		out.Gone = err.Error()
	}
	text, err := json.Marshal(out)
	check(err)
	fmt.Println(string(text))
}

func override(name string, container *runpb.RunJobRequest_Overrides_ContainerOverride) *runpb.RunJobRequest {
	overrides := &runpb.RunJobRequest_Overrides{ContainerOverrides: []*runpb.RunJobRequest_Overrides_ContainerOverride{container}}
	return &runpb.RunJobRequest{Name: name, Overrides: overrides}
}
