//go:build tools

// Package tools pins the etcd that the tests start; it holds no code of its own.
package tools

import (
	_ "go.etcd.io/etcd/etcdctl/v3"
	_ "go.etcd.io/etcd/server/v3"
)
