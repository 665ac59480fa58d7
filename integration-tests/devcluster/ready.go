package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const pollInterval = 50 * time.Millisecond

func newClient(d directory) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", d.kubeconfigFile())
	if err != nil {
		return nil, err
	}
	config.UserAgent, config.QPS = "devcluster", -1
	return kubernetes.NewForConfig(config)
}

// waitForAPI waits until the API server has started all it starts, the built-in roles included.
func waitForAPI(ctx context.Context, client *kubernetes.Clientset) error {
	return poll(ctx, func(ctx context.Context) bool {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
	})
}

func createNodes(ctx context.Context, client *kubernetes.Clientset, count int) error {
	for i := range count {
		name := fmt.Sprintf("node-%d", i)
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				"type":                   "kwok",
				corev1.LabelHostname:     name,
				corev1.LabelOSStable:     "linux",
				corev1.LabelArchStable:   "amd64",
				corev1.LabelTopologyZone: "devcluster",
			},
			Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
		}}
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// waitForControllers waits until pods can be created and would be scheduled: the controller manager has made the default service
// account, and every node is Ready and free of the taint it was created with.
func waitForControllers(ctx context.Context, client *kubernetes.Clientset, nodes int) error {
	what := ""
	err := poll(ctx, func(ctx context.Context) bool {
		what = "the default service account"
		if _, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return false
		}
		list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false
		}
		ready := 0
		for _, node := range list.Items {
			if usable(node) {
				ready++
			}
		}
		what = fmt.Sprintf("the nodes: %d of %d are ready", ready, nodes)
		return ready >= nodes
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
	}
	return nil
}

func usable(node corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue && len(node.Spec.Taints) == 0
		}
	}
	return false
}

func poll(ctx context.Context, done func(context.Context) bool) error {
	return wait.PollUntilContextCancel(ctx, pollInterval, true,
		func(ctx context.Context) (bool, error) { return done(ctx), nil })
}
