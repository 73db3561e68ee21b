//go:build cluster

// Package etcd is the engine of the store on etcd 3.4 or newer, which several replicas of Midas share.
//
// All keys lie below one prefix. Below it, the folder "k" has the keys of the store, and the key "head" is put
// by every commit, as the last write of its Txn. The mod revision of a key is its store.Revision. A guard is a
// compare of a mod revision. The version of the head counts commits without gaps, so that a feed notices a
// commit that a watch did not show, and the value of the head is a random id of the commit, so that a feed
// notices a database that was restored from a backup. Other programs may use the same etcd under other
// prefixes, so revisions have gaps.
//
// Commits that wait while others are under way become one Txn, which holds a Txn for each of them and puts the head
// last. They share its revision, and are one commit of the feed. Etcd compares the guards of all before it writes, so
// commits of one group have no key in common that one of them writes. If no guard of a group holds, the head is put
// all the same, and the feed shows a commit that has changed nothing.
package etcd
