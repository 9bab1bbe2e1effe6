/** A topic by its name, made on demand where that is allowed; and what its refusals are over HTTP. */

import { type Problem, problem } from '../../http/index.ts'
import type { BrokerContext } from '../context.ts'
import { topicNameProblem } from '../topics/topic-name.ts'
import type { Topic, TopicDecision } from '../topics/topic-table.ts'

export function knownTopic({ topics }: BrokerContext, name: string): Topic | Problem {
  return topics.table.byName(name) ?? problem('UNKNOWN_TOPIC', `the topic ${name} does not exist`)
}

/** As Metadata does it for Kafka clients. */
export function wantedTopic(context: BrokerContext, name: string): Topic | Problem {
  const known = context.topics.table.byName(name)
  if (known !== undefined) return known
  const wrongName = topicNameProblem(name)
  if (wrongName !== null)
    return problem('INVALID_REQUEST', wrongName, {
      errors: [{ path: 'topic', message: wrongName }],
    })
  if (!context.settings.autoCreateTopicsEnable)
    return problem(
      'UNKNOWN_TOPIC',
      `the topic ${name} does not exist and auto.create.topics.enable is off; make it with POST /topics`,
    )
  const decision = context.topics.createOnDemand(name)
  return decision.topic ?? topicRefusal(decision, name)
}

/** A decision that refused. */
export function topicRefusal(decision: TopicDecision, name: string): Problem {
  const { errorCode, errorMessage } = decision
  const detail = errorMessage ?? `the topic ${name} was refused: ${errorCode}`
  switch (errorCode) {
    case 'TOPIC_ALREADY_EXISTS':
      return problem('TOPIC_EXISTS', detail)
    case 'POLICY_VIOLATION':
      return problem('TOO_MANY_PARTITIONS', detail)
    default:
      return problem('INVALID_REQUEST', detail, { errors: [{ path: 'body', message: detail }] })
  }
}
