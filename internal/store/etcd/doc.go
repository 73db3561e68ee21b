//go:build cluster

// Package etcd is the engine of the store on etcd 3.4 or newer, which several replicas of Midas share.
//
// All keys lie below one prefix. Below it, the folder "k" has the keys of the store, and the key "head" is put
// by every commit, as the last write of its Txn. The mod revision of a key is its store.Revision. A guard is a
// compare of a mod revision. The version of the head counts commits without gaps, so that a feed notices a
// commit that a watch did not show, and the value of the head is a random id of the commit, so that a feed
// notices a database that was restored from a backup. Other programs may use the same etcd under other
// prefixes, so revisions have gaps.
package etcd
