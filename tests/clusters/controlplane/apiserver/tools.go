//go:build tools

// Package tools pins the kube-apiserver that the tests start; it holds no code of its own.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
