// What the programs of both modules beside it share. It requires nothing, so that neither Kubernetes release has a say.
module leaderelection/tests/servers/common

go 1.22
