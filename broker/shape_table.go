package broker

import "github.com/twmb/franz-go/pkg/kmsg"

// shapes are the bodies of all requests that are served, as far as their
// lengths go. The words of a shape:
//
//	1 2 4 8 16   as many bytes
//	s b          a string, bytes: a length, and as many bytes; null is none
//	[ … ]        an array: a count, and as many times what is inside; null is none
//	?( … )       a structure that may be null: a byte, and what is inside
//	(3-7 … )     in versions 3 to 7 only; (3- … ) in 3 and above
//	t            tagged fields, in flexible versions
//
// In flexible versions lengths are unsigned varints, one more than the length.
var shapes = map[kmsg.Key]string{
	kmsg.Produce:                      "(3- s) 2 4 [(0-12 s) (13- 16) [4 b t] t] t",
	kmsg.Fetch:                        "(0-14 4) 4 4 (3- 4) (4- 1) (7- 4) (7- 4) [(0-12 s) (13- 16) [4 (9- 4) 8 (12- 4) (5- 8) 4 t] t] (7- [(7-12 s) (13- 16) [4] t]) (11- s) t",
	kmsg.ListOffsets:                  "4 (2- 1) [s [4 (4- 4) 8 (0-0 4) t] t] (10- 4) t",
	kmsg.Metadata:                     "[(10- 16) s t] (4- 1) (8-10 1) (8- 1) t",
	kmsg.OffsetCommit:                 "s (1- 4) (1- s) (7- s) (2-4 8) [(0-9 s) (10- 16) [4 8 (1-1 8) (6- 4) s t] t] t",
	kmsg.OffsetFetch:                  "(0-7 s) (0-7 [s [4] t]) (8- [s (9- s) (9- 4) [(8-9 s) (10- 16) [4] t] t]) (7- 1) t",
	kmsg.FindCoordinator:              "(0-3 s) (1- 1) (4- [s]) t",
	kmsg.JoinGroup:                    "s 4 (1- 4) s (5- s) s [s b t] (8- s) t",
	kmsg.Heartbeat:                    "s 4 s (3- s) t",
	kmsg.LeaveGroup:                   "s (0-2 s) (3- [s s (5- s) t]) t",
	kmsg.SyncGroup:                    "s 4 s (3- s) (5- s) (5- s) [s b t] t",
	kmsg.DescribeGroups:               "[s] (3- 1) t",
	kmsg.ListGroups:                   "(4- [s]) (5- [s]) t",
	kmsg.SASLHandshake:                "s",
	kmsg.ApiVersions:                  "(3- s) (3- s) (5- s) (5- 4) t",
	kmsg.CreateTopics:                 "[s 4 2 [4 [4] t] [s s t] t] 4 (1- 1) t",
	kmsg.DeleteTopics:                 "(0-5 [s]) (6- [s 16 t]) 4 t",
	kmsg.DeleteRecords:                "[s [4 8 t] t] 4 t",
	kmsg.InitProducerID:               "s 4 (3- 8) (3- 2) t",
	kmsg.OffsetForLeaderEpoch:         "(3- 4) [s [4 (2- 4) 4 t] t] t",
	kmsg.AddPartitionsToTxn:           "(0-3 s) (0-3 8) (0-3 2) (0-3 [s [4] t]) (4- [s 8 2 1 [s [4] t] t]) t",
	kmsg.AddOffsetsToTxn:              "s 8 2 s t",
	kmsg.EndTxn:                       "s 8 2 1 t",
	kmsg.WriteTxnMarkers:              "[8 2 1 [s [4] t] 4 (2- 1) t] t",
	kmsg.TxnOffsetCommit:              "s s 8 2 (3- 4) (3- s) (3- s) [(0-5 s) (6- 16) [4 8 (2- 4) s t] t] t",
	kmsg.DescribeACLs:                 "1 s (1- 1) s s 1 1 t",
	kmsg.CreateACLs:                   "[1 s (1- 1) s s 1 1 t] t",
	kmsg.DeleteACLs:                   "[1 s (1- 1) s s 1 1 t] t",
	kmsg.DescribeConfigs:              "[1 s [s] t] (1- 1) (3- 1) t",
	kmsg.AlterConfigs:                 "[1 s [s s t] t] 1 t",
	kmsg.DescribeLogDirs:              "[s [4] t] t",
	kmsg.SASLAuthenticate:             "b t",
	kmsg.CreatePartitions:             "[s 4 [[4] t] t] 4 1 t",
	kmsg.DeleteGroups:                 "[s] t",
	kmsg.ElectLeaders:                 "(1- 1) [s [4] t] 4 t",
	kmsg.IncrementalAlterConfigs:      "[1 s [s 1 s t] t] 1 t",
	kmsg.AlterPartitionAssignments:    "4 (1- 1) [s [4 [4] t] t] t",
	kmsg.ListPartitionReassignments:   "4 [s [4] t] t",
	kmsg.OffsetDelete:                 "s [s [4]]",
	kmsg.DescribeClientQuotas:         "[s 1 s t] 1 t",
	kmsg.AlterClientQuotas:            "[[s s t] [s 8 1 t] t] 1 t",
	kmsg.DescribeUserSCRAMCredentials: "[s t] t",
	kmsg.AlterUserSCRAMCredentials:    "[s 1 t] [s 1 4 b b t] t",
	kmsg.DescribeQuorum:               "[s [4 t] t] t",
	kmsg.UpdateFeatures:               "4 [s 2 (0-0 1) (1- 1) t] (1- 1) t",
	kmsg.DescribeCluster:              "1 (1- 1) (2- 1) t",
	kmsg.DescribeProducers:            "[s [4] t] t",
	kmsg.DescribeTransactions:         "[s] t",
	kmsg.ListTransactions:             "[s] [8] (1- 8) (2- s) t",
	kmsg.ConsumerGroupHeartbeat:       "s s 4 s s 4 [s] (1- s) s [16 [4] t] t",
	kmsg.ConsumerGroupDescribe:        "[s] 1 t",
	kmsg.ListConfigResources:          "(1- [1]) t",
	kmsg.DescribeTopicPartitions:      "[s t] 4 ?(s 4 t) t",
	kmsg.ShareGroupHeartbeat:          "s s 4 s [s] t",
	kmsg.ShareGroupDescribe:           "[s] 1 t",
	kmsg.ShareFetch:                   "s s 4 4 4 4 4 4 (2- 1) (2- 1) [16 [4 [8 8 [1] t] t] t] [16 [4] t] t",
	kmsg.ShareAcknowledge:             "s s 4 (2- 1) [16 [4 [8 8 [1] t] t] t] t",
	kmsg.DescribeShareGroupOffsets:    "[s [s [4] t] t] t",
	kmsg.AlterShareGroupOffsets:       "s [s [4 8 t] t] t",
	kmsg.DeleteShareGroupOffsets:      "s [s t] t",
}
