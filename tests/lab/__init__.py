"""Real things to test against: hosts with a real sshd, a real kube-apiserver. Tests start and end them."""
