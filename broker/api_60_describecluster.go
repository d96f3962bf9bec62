package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeCluster (60), versions 0 to 2.
//
//	1  brokers or controllers
//	2  fenced brokers
//
// Everything is this one node, at the address of the listener that was asked on.
func (b *Broker) describeCluster(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeClusterRequest)
	resp := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	resp.ClusterID, resp.ControllerID = b.clusterID, b.opts.NodeID
	if req.Version >= 1 {
		resp.EndpointType = req.EndpointType
		if req.EndpointType != 1 && req.EndpointType != 2 {
			resp.ErrorCode, resp.ErrorMessage = kerr.UnsupportedEndpointType.Code, kmsg.StringPtr("endpoint types are 1, brokers, and 2, controllers")
			return answer(resp)
		}
	}
	if req.IncludeClusterAuthorizedOperations && b.allowedCluster(r, kmsg.ACLOperationDescribe) {
		resp.ClusterAuthorizedOperations = b.authorizedOperations(r, kmsg.ACLResourceTypeCluster, clusterName)
	}
	n := kmsg.NewDescribeClusterResponseBroker()
	n.NodeID, n.Host, n.Port = b.opts.NodeID, r.conn.listener.advertised.host, r.conn.listener.advertised.port
	resp.Brokers = append(resp.Brokers, n)
	return answer(resp)
}
