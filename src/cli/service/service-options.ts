/**
 * From a service's configuration to the options of its source and of the runtime. What was not configured is left out, so
 * that the module's own word counts, and after it the default.
 */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ServiceOptions } from '../../consumer/index.ts'
import { messageOf } from '../../core/index.ts'
import type { KafkaClusterOptions, KafkaSourceOptions } from '../../sources/kafka/index.ts'
import { configProblemsError } from '../config/problems.ts'
import type { ServiceConfig } from '../config/schema.ts'

type ConsumerConfig = ServiceConfig['consumer']

/** @throws ShoalError SHOAL_CONFIG_INVALID when the file of certificates cannot be read */
export async function clusterOptions(
  config: ConsumerConfig,
  cwd: string,
): Promise<KafkaClusterOptions> {
  const { brokers, clientId, tls, saslMechanism, saslUsername, saslPassword } = config
  const ca = config.tlsCa === undefined ? undefined : await certificates(config.tlsCa, cwd)
  return {
    brokers,
    clientId,
    ...(tls || ca !== undefined ? { tls: ca === undefined ? {} : { ca } } : {}),
    ...(saslMechanism === undefined
      ? {}
      : {
          sasl: {
            mechanism: saslMechanism,
            username: saslUsername ?? '',
            password: saslPassword ?? '',
          },
        }),
  }
}

export function sourceOptions(
  config: ConsumerConfig,
  cluster: KafkaClusterOptions,
): KafkaSourceOptions {
  const { topics, groupInstanceId, sessionTimeout, heartbeatInterval, rebalanceTimeout } = config
  return {
    ...cluster,
    topics,
    sessionTimeoutMs: sessionTimeout,
    heartbeatIntervalMs: heartbeatInterval,
    rebalanceTimeoutMs: rebalanceTimeout,
    offsetReset: config.offsetReset,
    ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
  }
}

/** What an operator set wins over what the module says. */
export function runtimeOverrides(
  config: ConsumerConfig,
  own: ServiceOptions | undefined,
): ServiceOptions {
  const { order, handlerTimeout, attempts, deadLetter, commitInterval } = config
  const { bufferRecords, bufferBytes, concurrency, drainTimeout, stuckAfter } = config
  return {
    ...(drainTimeout === undefined ? {} : { shutdown: { drain: drainTimeout } }),
    ...(stuckAfter === undefined ? {} : { stuckAfter }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(order === undefined ? {} : { order }),
    ...(handlerTimeout === undefined ? {} : { timeout: handlerTimeout }),
    ...(attempts === undefined ? {} : { retry: { ...own?.retry, attempts } }),
    ...(deadLetter === undefined ? {} : { deadLetter }),
    ...(commitInterval === undefined ? {} : { commit: { ...own?.commit, every: commitInterval } }),
    ...(bufferRecords === undefined && bufferBytes === undefined
      ? {}
      : {
          buffer: {
            ...own?.buffer,
            ...(bufferRecords === undefined ? {} : { records: bufferRecords }),
            ...(bufferBytes === undefined ? {} : { bytes: bufferBytes }),
          },
        }),
  }
}

async function certificates(path: string, cwd: string): Promise<string> {
  try {
    return await readFile(resolve(cwd, path), 'utf8')
  } catch (error) {
    const problem = `cannot be read: ${messageOf(error)}`
    throw configProblemsError([{ name: 'consumer.tlsCa', problem, where: path }], [path])
  }
}
