/**
 * Metadata v0-13: the one broker, and topics by name, by id or all.
 *
 * A topic that is made because somebody asked is answered with UNKNOWN_TOPIC_OR_PARTITION this once, as Kafka does; the
 * client asks again and has it. All topics are asked for by null, in v0 by an empty list.
 */

import type { KafkaErrorName, MetadataRequest } from '../../../protocol/index.ts'
import { metadata, ZERO_UUID } from '../../../protocol/index.ts'
import type { BrokerContext } from '../../context.ts'
import { NODE_ID } from '../../context.ts'
import type { Topic } from '../../topics/topic-table.ts'
import { topicNameProblem } from '../../topics/topic-name.ts'
import { authorizedOperations } from './authorized-operations.ts'
import { handler } from './define.ts'

/** A log begins with this epoch, and nothing raises it on one node. A client that is told too little asks again. */
const FIRST_EPOCH = 0

type AskedTopic = NonNullable<MetadataRequest['topics']>[number]

export const handleMetadata = handler(
  metadata,
  async ({ request, version, context, connection }) => {
    const { topics: asked, includeTopicAuthorizedOperations } = request
    const operations = authorizedOperations('topic', includeTopicAuthorizedOperations)
    const topics =
      asked === null || (version === 0 && asked.length === 0)
        ? Array.from(context.topics.table.topics(), (topic) => known(context, topic, operations))
        : asked.map((topic) => answerOne(context, request, version, topic, operations))
    await context.topics.flushed()
    const { host, port } = context.advertised(connection.listenerAddress)
    return {
      throttleTimeMs: 0,
      brokers: [{ nodeId: NODE_ID, host, port, rack: null }],
      clusterId: context.topics.clusterId,
      controllerId: NODE_ID,
      topics,
      clusterAuthorizedOperations: authorizedOperations(
        'cluster',
        request.includeClusterAuthorizedOperations,
      ),
      errorCode: 'NONE' as const,
    }
  },
)

function answerOne(
  context: BrokerContext,
  { allowAutoTopicCreation }: MetadataRequest,
  version: number,
  { name, topicId }: AskedTopic,
  operations: number,
) {
  if (topicId !== ZERO_UUID) {
    const topic = context.topics.table.byId(topicId)
    if (topic !== undefined) return known(context, topic, operations)
    return unknown('UNKNOWN_TOPIC_ID', version >= 12 ? null : '', topicId, operations)
  }
  const wanted = name ?? ''
  const topic = context.topics.table.byName(wanted)
  if (topic !== undefined) return known(context, topic, operations)
  if (topicNameProblem(wanted) !== null)
    return unknown('INVALID_TOPIC_EXCEPTION', wanted, ZERO_UUID, operations)
  if (!allowAutoTopicCreation || !context.settings.autoCreateTopicsEnable)
    return unknown('UNKNOWN_TOPIC_OR_PARTITION', wanted, ZERO_UUID, operations)
  const { errorCode } = context.topics.createOnDemand(wanted)
  return unknown(
    errorCode === 'NONE' ? 'UNKNOWN_TOPIC_OR_PARTITION' : errorCode,
    wanted,
    ZERO_UUID,
    operations,
  )
}

function known(context: BrokerContext, topic: Topic, topicAuthorizedOperations: number) {
  const { name, topicId, partitionCount } = topic
  const partitions = Array.from({ length: partitionCount }, (_, partitionIndex) => ({
    errorCode: 'NONE' as const,
    partitionIndex,
    leaderId: NODE_ID,
    leaderEpoch: context.topics.openLog(topic, partitionIndex)?.leaderEpoch ?? FIRST_EPOCH,
    replicaNodes: [NODE_ID],
    isrNodes: [NODE_ID],
    offlineReplicas: [],
  }))
  const errorCode: KafkaErrorName = 'NONE'
  return { errorCode, name, topicId, isInternal: false, partitions, topicAuthorizedOperations }
}

function unknown(
  errorCode: KafkaErrorName,
  name: string | null,
  topicId: string,
  topicAuthorizedOperations: number,
) {
  const partitions: ReturnType<typeof known>['partitions'] = []
  return { errorCode, name, topicId, isInternal: false, partitions, topicAuthorizedOperations }
}
