/** DescribeCluster v0-2: the one node. Asking for controllers (endpoint type 2) is asking the wrong port. */

import type { KafkaErrorName } from '../../../protocol/index.ts'
import { describeCluster } from '../../../protocol/index.ts'
import { NODE_ID } from '../../context.ts'
import { authorizedOperations } from './authorized-operations.ts'
import { handler } from './define.ts'

const BROKERS = 1
const CONTROLLERS = 2

export const handleDescribeCluster = handler(
  describeCluster,
  async ({ request, context, connection }) => {
    const { endpointType, includeClusterAuthorizedOperations } = request
    const { host, port } = context.advertised(connection.listenerAddress)
    const errorCode: KafkaErrorName =
      endpointType === BROKERS
        ? 'NONE'
        : endpointType === CONTROLLERS
          ? 'MISMATCHED_ENDPOINT_TYPE'
          : 'UNSUPPORTED_ENDPOINT_TYPE'
    return {
      throttleTimeMs: 0,
      errorCode,
      errorMessage: errorCode === 'NONE' ? null : 'this listener answers for brokers (1) only',
      endpointType: BROKERS,
      clusterId: context.topics.clusterId,
      controllerId: NODE_ID,
      brokers:
        errorCode === 'NONE'
          ? [{ brokerId: NODE_ID, host, port, rack: null, isFenced: false }]
          : [],
      clusterAuthorizedOperations: authorizedOperations(
        'cluster',
        includeClusterAuthorizedOperations,
      ),
    }
  },
)
