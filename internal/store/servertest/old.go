//go:build e2e && cluster

package servertest

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// oldEtcd answers as etcd 3.3 does.
type oldEtcd struct {
	pb.UnimplementedMaintenanceServer
}

func (oldEtcd) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Header: &pb.ResponseHeader{}, Version: "3.3.27", Leader: 1}, nil
}

// OldEtcd starts a server that says it is etcd 3.3, which cannot be installed any more, and returns its HOST:PORT.
func OldEtcd(t testing.TB) string {
	t.Helper()
	l := listen(t)
	server := grpc.NewServer()
	pb.RegisterMaintenanceServer(server, oldEtcd{})
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// OldPostgres starts a server that says it is PostgreSQL 12, and returns a store URL. It speaks the simple protocol
// only.
func OldPostgres(t testing.TB) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveOldPostgres(conn)
		}
	}()
	return "postgres://midas:" + postgresPassword + "@" + l.Addr().String() + "/midas?sslmode=disable&default_query_exec_mode=simple_protocol"
}

func serveOldPostgres(conn net.Conn) {
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	for name, value := range map[string]string{"server_version": "12.22", "client_encoding": "UTF8", "standard_conforming_strings": "on"} {
		backend.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
	}
	state := byte('I')
	for {
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: state})
		if err := backend.Flush(); err != nil {
			return
		}
		m, err := backend.Receive()
		query, isQuery := m.(*pgproto3.Query)
		if err != nil || !isQuery {
			return
		}
		switch text := query.String; {
		case strings.Contains(text, "transaction_read_only"):
			row(backend, "off")
		case strings.Contains(text, "server_version_num"):
			row(backend, "120022", "on", "on", "on", "")
		case strings.HasPrefix(text, "begin"):
			state = 'T'
		default:
			state = 'I'
		}
		backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("DONE")})
	}
}

// row sends one row of texts.
func row(backend *pgproto3.Backend, values ...string) {
	var fields []pgproto3.FieldDescription
	var data [][]byte
	for i, v := range values {
		oid := uint32(25) // text
		if i == 0 && len(values) > 1 {
			oid = 23 // int4, the version
		}
		fields = append(fields, pgproto3.FieldDescription{Name: []byte("c"), DataTypeOID: oid, DataTypeSize: -1, TypeModifier: -1})
		data = append(data, []byte(v))
	}
	backend.Send(&pgproto3.RowDescription{Fields: fields})
	backend.Send(&pgproto3.DataRow{Values: data})
}
