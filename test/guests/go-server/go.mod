module pulumi-unikernel/test/guests/go-server

go 1.22
