package main

// componentNames are the parts of the control plane, in the order in which they start.
var componentNames = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}

// arguments gives the command line of a component. etcd is reached by a socket in the run directory, and what needs no port has
// none, so that the API server's is the only one.
func arguments(component string, d directory, port string) []string {
	switch component {
	case "etcd":
		return []string{
			"--data-dir=" + d.runFile("etcd"),
			"--listen-client-urls=unix://client.sock:0",
			"--advertise-client-urls=unix://client.sock:0",
			"--listen-peer-urls=unix://peer.sock:0",
			"--initial-advertise-peer-urls=unix://peer.sock:0",
			"--initial-cluster=default=unix://peer.sock:0",
			"--unsafe-no-fsync",
			"--log-level=warn",
		}
	case "kube-apiserver":
		return []string{
			"--etcd-servers=unix://client.sock:0",
			"--bind-address=127.0.0.1",
			"--secure-port=" + port,
			// devcluster holds the port for as long as it runs, so that nobody else can get it.
			"--permit-port-sharing",
			"--advertise-address=127.0.0.1",
			// A loopback address is not allowed in Endpoints.
			"--endpoint-reconciler-type=none",
			"--tls-cert-file=" + d.runFile(servingCertFile),
			"--tls-private-key-file=" + d.runFile(servingKeyFile),
			"--token-auth-file=" + d.runFile(tokensFile),
			"--authorization-mode=RBAC",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + d.runFile(serviceAccountFile),
			"--service-account-signing-key-file=" + d.runFile(serviceAccountFile),
			"--service-cluster-ip-range=10.0.0.0/16",
			"--allow-privileged",
			"--profiling=false",
		}
	case "kube-controller-manager":
		return []string{
			"--kubeconfig=" + d.kubeconfigFile(),
			"--leader-elect=false",
			"--secure-port=0",
			"--root-ca-file=" + d.caFile(),
			"--service-account-private-key-file=" + d.runFile(serviceAccountFile),
			// Nobody sends heartbeats for fake nodes.
			"--node-monitor-grace-period=8760h",
			// The defaults hold back tests that create and delete a lot.
			"--kube-api-qps=500",
			"--kube-api-burst=1000",
			"--profiling=false",
		}
	case "kube-scheduler":
		return []string{
			"--kubeconfig=" + d.kubeconfigFile(),
			"--leader-elect=false",
			"--secure-port=0",
			"--kube-api-qps=500",
			"--kube-api-burst=1000",
			"--profiling=false",
		}
	case "kwok":
		return []string{
			"--kubeconfig=" + d.kubeconfigFile(),
			"--config=" + d.runFile(stagesFile),
			"--manage-all-nodes",
			"--cidr=10.244.0.0/16",
			"--node-ip=10.245.0.1",
			"--node-lease-duration-seconds=0",
		}
	}
	return nil
}
