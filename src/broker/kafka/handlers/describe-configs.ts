/** DescribeConfigs v1-4 · v1 sources and synonyms · v3 types and documentation. */

import type { DescribeConfigsRequest } from '../../../protocol/index.ts'
import { describeConfigs } from '../../../protocol/index.ts'
import type { BrokerContext } from '../../context.ts'
import type { DescribedConfig } from '../../settings/describe.ts'
import {
  describeBrokerConfigs,
  describeGroupConfigs,
  describeTopicConfigs,
} from '../../settings/describe.ts'
import { resourceProblem, ResourceType } from './config-resources.ts'
import { handler } from './define.ts'

type AskedResource = DescribeConfigsRequest['resources'][number]

export const handleDescribeConfigs = handler(describeConfigs, async ({ request, context }) => {
  const results = request.resources.map((resource) => describeOne(context, resource, request))
  await context.topics.flushed()
  return { throttleTimeMs: 0, results }
})

function describeOne(
  context: BrokerContext,
  resource: AskedResource,
  { includeSynonyms, includeDocumentation }: DescribeConfigsRequest,
) {
  const { resourceType, resourceName, configurationKeys } = resource
  const problem = resourceProblem(context, resource)
  const all = problem === null ? configsOf(context, resource) : []
  const wanted =
    configurationKeys === null || configurationKeys.length === 0 ? null : new Set(configurationKeys)
  const configs = all
    .filter((config) => wanted === null || wanted.has(config.name))
    .map((config) => ({
      ...config,
      synonyms: includeSynonyms ? config.synonyms : [],
      documentation: includeDocumentation ? config.documentation : null,
    }))
  return {
    errorCode: problem?.errorCode ?? ('NONE' as const),
    errorMessage: problem?.errorMessage ?? null,
    resourceType,
    resourceName,
    configs,
  }
}

function configsOf(
  { topics }: BrokerContext,
  { resourceType, resourceName }: AskedResource,
): readonly DescribedConfig[] {
  if (resourceType === ResourceType.broker)
    return describeBrokerConfigs(
      topics.brokerConfigs,
      resourceName === '' ? 'cluster-default' : 'broker',
    )
  if (resourceType === ResourceType.group)
    return describeGroupConfigs(topics.table.groupConfigs(resourceName), topics.brokerConfigs)
  const topic = resourceType === ResourceType.topic ? topics.table.byName(resourceName) : undefined
  return topic === undefined ? [] : describeTopicConfigs(topic.configs, topics.brokerConfigs)
}
