// Package cluster runs an etcd inside of Midas, as one member of a cluster that has no other parts.
//
// Begin prepares the first member, Join adds this machine to a cluster, and Open starts the member of a data
// folder. What a member needs lies in the folder "cluster" of the data folder: state.json, the certificate
// authority of the members with its key, this member's certificate, and the folder "etcd". Members talk
// to each other over mutual TLS; the authority certifies nothing but members.
//
// A machine joins with a token that a member has made. The token can be used once, within its lifetime, and has
// the hash of the public key by which the joining machine recognizes the cluster. A new member is a
// learner, which has no vote, until it has caught up. Each member compacts and defragments its own database.
package cluster
