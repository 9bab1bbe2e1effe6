/**
 * The things that have configs, by Kafka's numbers, and changing them: shared by AlterConfigs and IncrementalAlterConfigs.
 *
 * A broker is asked for by its id, or by '' for the cluster's default: with one node both are the same settings, of which
 * those that are defaults of topics can change while it runs. A group may be configured before there is one.
 */

import type { KafkaErrorName } from '../../../protocol/index.ts'
import type { BrokerContext } from '../../context.ts'
import { NODE_ID } from '../../context.ts'
import { topicNameProblem } from '../../topics/topic-name.ts'
import type { ConfigChanges, TopicRequest } from '../../topics/topic-table.ts'

export const ResourceType = { topic: 2, broker: 4, group: 32 } as const

export interface Resource {
  readonly resourceType: number
  readonly resourceName: string
}

export interface ResourceProblem {
  readonly errorCode: KafkaErrorName
  readonly errorMessage: string
}

/** Why a resource cannot be asked for; null when it is there. */
export function resourceProblem(
  context: BrokerContext,
  { resourceType, resourceName }: Resource,
): ResourceProblem | null {
  switch (resourceType) {
    case ResourceType.topic: {
      if (context.topics.table.byName(resourceName) !== undefined) return null
      const problem = topicNameProblem(resourceName)
      return problem === null
        ? {
            errorCode: 'UNKNOWN_TOPIC_OR_PARTITION',
            errorMessage: `The topic '${resourceName}' does not exist.`,
          }
        : { errorCode: 'INVALID_TOPIC_EXCEPTION', errorMessage: problem }
    }
    case ResourceType.broker:
      if (resourceName === '' || resourceName === String(NODE_ID)) return null
      return {
        errorCode: 'INVALID_REQUEST',
        errorMessage: `Unexpected broker id, expected ${NODE_ID} or empty string, but received ${resourceName}`,
      }
    case ResourceType.group:
      return null
    default:
      return {
        errorCode: 'INVALID_REQUEST',
        errorMessage: `resources of type ${resourceType} have no configs here`,
      }
  }
}

/** Changes one resource, or with `validateOnly` says whether it could be. */
export function alterResource(
  context: BrokerContext,
  resource: Resource,
  changes: ConfigChanges,
  validateOnly: boolean,
) {
  const { resourceType, resourceName } = resource
  const outcome =
    resourceProblem(context, resource) ?? change(context, resource, changes, validateOnly)
  return { resourceType, resourceName, ...outcome }
}

function change(
  context: BrokerContext,
  { resourceType, resourceName }: Resource,
  changes: ConfigChanges,
  validateOnly: boolean,
): { readonly errorCode: KafkaErrorName; readonly errorMessage: string | null } {
  const { errorCode, errorMessage } = context.topics.decide(
    requestFor(resourceType, resourceName, changes),
    validateOnly,
  )
  return { errorCode, errorMessage }
}

function requestFor(type: number, name: string, changes: ConfigChanges): TopicRequest {
  if (type === ResourceType.topic) return { kind: 'configure-topic', name, changes }
  if (type === ResourceType.group) return { kind: 'configure-group', groupId: name, changes }
  return { kind: 'configure-broker', changes }
}
