package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	kwoksignals "sigs.k8s.io/kwok/pkg/utils/signals"
)

func init() {
	commands["etcd"] = func([]string) int {
		etcdmain.Main(os.Args[1:])
		return 0
	}
	commands["kube-apiserver"] = component(apiserver.NewAPIServerCommand)
	commands["kube-controller-manager"] = component(kcm.NewControllerManagerCommand)
	commands["kube-scheduler"] = component(func() *cobra.Command { return scheduler.NewSchedulerCommand() })
	commands["kubectl"] = runKubectl
	commands["kwok"] = runKwok
}

// component wraps a part of the control plane. Its cobra command is made only when it runs, because making one registers flags
// for the whole process, and it reads its arguments from os.Args.
func component(build func() *cobra.Command) command {
	return func([]string) int {
		os.Args = os.Args[1:]
		return cli.Run(build())
	}
}

func runKubectl([]string) int {
	os.Args = os.Args[1:]
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
	return 0
}

// runKwok reads --config in a pass of its own: the stages reach the command through its context.
func runKwok([]string) int {
	os.Args = os.Args[1:]
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ := kwoklog.InitFlags(kwoksignals.SetupSignalContext(), flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err == nil {
		root := kwok.NewCommand(ctx)
		// Its own version flag collides with the one that the other components have registered.
		root.Version = ""
		root.PersistentFlags().AddFlagSet(flags)
		err = root.ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
