import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ConfigSources, FileSource, VariableSource } from './resolve.ts'
import { resolveConfig } from './resolve.ts'
import { serviceSchema } from './schema.ts'

const required = {
  KAFKA_BOOTSTRAP_SERVERS: 'localhost:9092',
  KAFKA_GROUP_ID: 'billing',
  KAFKA_TOPIC: 'orders, refunds',
}

describe('the configuration of a service', () => {
  test('is complete with the three names of the classic service', () => {
    const { config, problems } = resolved({ env: required })
    assert.deepEqual(problems, [])
    const { brokers, group, topics, sessionTimeout } = config?.consumer ?? {}
    assert.deepEqual(
      [brokers, group, topics],
      [['localhost:9092'], 'billing', ['orders', 'refunds']],
    )
    assert.equal(sessionTimeout, 60_000)
    assert.deepEqual(config?.lag, { interval: 15_000, alerts: [] })
  })

  test('takes a flag before the environment before .env before shoal.yaml before the default', () => {
    const name = 'SHOAL_CONSUMER_GROUP'
    const file = { consumer: { group: 'by file' } }
    const base = { KAFKA_BOOTSTRAP_SERVERS: 'b:1', KAFKA_TOPIC: 't' }
    const group = (given: Partial<Given>) => {
      const { config, origins } = resolved({ ...given, env: { ...base, ...given.env } })
      return [config?.consumer.group, origins.get('consumer.group')?.where]
    }
    assert.deepEqual(group({ file }), ['by file', 'shoal.yaml:7'])
    assert.deepEqual(group({ file, dotEnv: { [name]: 'by .env' } }), ['by .env', '.env:3'])
    const env = { [name]: 'by environment' }
    const all = { file, dotEnv: { [name]: 'by .env' }, env }
    assert.deepEqual(group(all), ['by environment', 'environment'])
    const flags = { 'consumer.group': 'by flag' }
    assert.deepEqual(group({ ...all, flags }), ['by flag', 'command line'])
  })

  test('prefers the own name of a setting to that of the classic service, in the same place', () => {
    const env = { ...required, SHOAL_CONSUMER_GROUP: 'own' }
    assert.equal(resolved({ env }).config?.consumer.group, 'own')
    const classicInEnvironment = resolved({
      env: required,
      dotEnv: { SHOAL_CONSUMER_GROUP: 'own' },
    })
    assert.equal(classicInEnvironment.config?.consumer.group, 'billing')
  })

  test('takes the YAML of seed 001 as printed', () => {
    const file = { consumer: { sessionTimeout: '30s', heartbeatInterval: '10s' } }
    const { config, problems } = resolved({ env: required, file })
    assert.deepEqual(problems, [])
    assert.deepEqual(
      [config?.consumer.sessionTimeout, config?.consumer.heartbeatInterval],
      [30_000, 10_000],
    )
  })

  test('tells every problem at once, each with its name, what is wrong and where it stands', () => {
    const { config, problems } = resolved({
      env: { SHOAL_METRICS_PORT: '80800', KAFKA_TOPIC: '' },
      dotEnv: {
        SHOAL_CONSUMER_SESION_TIMEOUT: '30s',
        SHOAL_LOG_LEVEL: 'loud',
        SHOAL_CONSUMER_TLS: 'yes',
      },
      file: { consumer: { bufferBytes: '7x', heartbeatInterval: '1m', ordre: 'key' } },
    })
    assert.equal(config, null)
    assert.deepEqual(
      problems.map(({ name, problem, where }) => `${name}: ${problem} (${where})`),
      [
        'SHOAL_CONSUMER_SESION_TIMEOUT: unknown setting; did you mean SHOAL_CONSUMER_SESSION_TIMEOUT? (.env:3)',
        'KAFKA_BOOTSTRAP_SERVERS: required: where the broker is: host:port, several with commas ()',
        'KAFKA_GROUP_ID: required: the consumer group ()',
        'KAFKA_TOPIC: has an empty name in it (environment)',
        'consumer.bufferBytes: "7x": expected a size such as 64MiB, 512KiB (shoal.yaml:7)',
        'SHOAL_CONSUMER_TLS: "yes": expected true or false (.env:3)',
        'consumer.ordre: unknown setting; did you mean consumer.order? (shoal.yaml:7)',
        'SHOAL_METRICS_PORT: 80800 is above 65535 (environment)',
        'SHOAL_LOG_LEVEL: "loud": expected debug, info, warn or error (.env:3)',
      ],
    )
  })

  test('asks that settings fit together', () => {
    const env = {
      ...required,
      SHOAL_CONSUMER_SESSION_TIMEOUT: '10s',
      SHOAL_CONSUMER_HEARTBEAT_INTERVAL: '4s',
      SHOAL_CONSUMER_SASL_MECHANISM: 'PLAIN',
      SHOAL_CONSUMER_SASL_USERNAME: 'me',
    }
    assert.deepEqual(
      resolved({ env }).problems.map(({ name, problem }) => `${name}: ${problem}`),
      [
        'SHOAL_CONSUMER_HEARTBEAT_INTERVAL: 4000 ms is more than a third of the session timeout, 10000 ms',
        'consumer.saslPassword: required with a saslMechanism',
      ],
    )
  })

  test('reads a secret from the file that its twin names', () => {
    const given = { env: { ...required, SHOAL_CONSUMER_SASL_PASSWORD_FILE: '/run/secret' } }
    const secretFiles = new Map([['/run/secret', { text: 'geheim\n' }]])
    assert.equal(resolved(given, secretFiles).config?.consumer.saslPassword, 'geheim')
    const unreadable = new Map([['/run/secret', { error: 'cannot be read: ENOENT' }]])
    assert.deepEqual(
      resolved(given, unreadable).problems.map(({ name, problem }) => [name, problem]),
      [['SHOAL_CONSUMER_SASL_PASSWORD_FILE', 'cannot be read: ENOENT']],
    )
  })

  test('overlooks what Kubernetes sets for a Service, and what is somebody else’s', () => {
    const env = {
      ...required,
      SHOAL_SERVICE_HOST: '10.0.0.1',
      SHOAL_BROKER_SERVICE_PORT_KAFKA: '9092',
      SHOAL_BROKER_PORT: 'tcp://10.0.0.1:9092',
      SHOAL_BROKER_PORT_9092_TCP_ADDR: '10.0.0.1',
      SHOAL_HTTP_PORT: '8080',
      PATH: '/bin',
    }
    assert.deepEqual(resolved({ env }).problems, [])
    const typo = resolved({ env: { ...required, SHOAL_METRIC_PORT: '9464' } }).problems
    assert.match(typo[0]?.problem ?? '', /did you mean SHOAL_METRICS_PORT/)
  })

  test('takes the sections of the broker in the same file, and nothing else that it does not know', () => {
    const file = { kafka: { port: 9_092 }, settings: {}, data: './data', consumers: {} }
    assert.deepEqual(
      resolved({ env: required, file }).problems.map(({ name, problem }) => [name, problem]),
      [['consumers', 'unknown setting; did you mean consumer?']],
    )
  })

  test('says so when the file is not what a file should be', () => {
    assert.deepEqual(
      resolved({ env: required, file: ['consumer'] }).problems.map(({ problem }) => problem),
      ['expected sections such as consumer:'],
    )
    assert.deepEqual(
      resolved({ env: required, file: { consumer: 7, log: null } }).problems.map(
        ({ problem }) => problem,
      ).length > 0,
      true,
    )
  })

  test('refuses an alert without a threshold, and one that calls nothing on the web', () => {
    const alerts = [{ name: 'behind' }, { name: 'far', seconds: 60, webhook: 'ftp://x' }]
    assert.deepEqual(
      resolved({ env: required, file: { lag: { alerts } } }).problems.map(({ name, problem }) => [
        name,
        problem,
      ]),
      [
        ['lag.alerts.0', 'says no threshold: records, seconds or both'],
        ['lag.alerts.1.webhook', 'expected an address such as https://…'],
      ],
    )
  })
})

interface Given {
  readonly flags: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  readonly dotEnv: Readonly<Record<string, string>>
  readonly file: unknown
}

function resolved(
  { flags = {}, env = {}, dotEnv, file }: Partial<Given>,
  secretFiles: ConfigSources['secretFiles'] = new Map(),
) {
  const variables: VariableSource[] = [{ name: 'environment', values: env, lineOf: () => null }]
  if (dotEnv !== undefined) variables.push({ name: '.env', values: dotEnv, lineOf: () => 3 })
  const source: FileSource | null =
    file === undefined ? null : { name: 'shoal.yaml', value: file, lineOf: () => 7 }
  return resolveConfig(serviceSchema, {
    flags: new Map(
      Object.entries(flags).map(([path, text]) => [path, { flag: `--${path}`, text }]),
    ),
    variables,
    file: source,
    secretFiles,
  })
}
