/**
 * `deploy/` holds what it says: objects without a misspelled field, names that lead somewhere, metrics that exist, images
 * that stop when they are asked to. Without a network; a cluster may still have a word to say.
 */

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import * as library from '@prometheus-io/client'
import { parse, parseAllDocuments } from 'yaml'
import type { z } from 'zod'
import { serviceSchema } from '../../src/cli/config/schema.ts'
import { ServiceMetrics } from '../../src/cli/metrics/service-metrics.ts'
import { VirtualClock } from '../../src/core/index.ts'
import { dockerfileProblems, instructionsOf } from './dockerfile-rules.ts'
import {
  deployment,
  kubernetesObject,
  ruleFile,
  scaledObject,
  type KubernetesObject,
} from './kubernetes-schema.ts'
import { readExpression } from './promql.ts'

const DEPLOY = join(import.meta.dirname, '../../deploy')

describe('Kubernetes objects', () => {
  for (const file of filesIn('kubernetes'))
    test(`${file} has no unknown field, and what it names exists`, () => {
      const objects = objectsOf(join('kubernetes', file))
      const maps = objects.filter(({ kind }) => kind === 'ConfigMap')
      for (const object of objects) if (object.kind === 'Deployment') checkReferences(object, maps)
    })

  test('the Deployment of seed 003 keeps its kind, names, command and volume', () => {
    const [object] = objectsOf('kubernetes/python-consumer.yaml')
    const found = deployment.parse(object)
    const [container] = found.spec.template.spec.containers
    assert.deepEqual(
      [found.metadata.name, found.metadata.namespace, found.spec.replicas],
      ['task-notification-consumer', 'kafka', 1],
    )
    assert.deepEqual(found.spec.selector.matchLabels, { app: 'task-notification-consumer' })
    assert.deepEqual(found.spec.template.metadata.labels, { app: 'task-notification-consumer' })
    assert.deepEqual(
      [container?.name, container?.command, container?.volumeMounts],
      ['consumer', ['python', '/app/consumer.py'], [{ name: 'app-code', mountPath: '/app' }]],
    )
    assert.deepEqual(found.spec.template.spec.volumes, [
      { name: 'app-code', configMap: { name: 'consumer-code' } },
    ])
    // The page's image cannot run its program.
    assert.notEqual(container?.image, 'python:3.12-slim')
    assert.deepEqual(container?.env, [{ name: 'PYTHONUNBUFFERED', value: '1' }])
  })

  test('the service is probed as it answers, and has time to finish what runs', () => {
    const objects = objectsOf('kubernetes/service.yaml')
    const found = deployment.parse(objects.find(({ kind }) => kind === 'Deployment'))
    const { containers, terminationGracePeriodSeconds } = found.spec.template.spec
    const [container] = containers
    assert.equal(container?.livenessProbe?.httpGet.path, '/livez')
    assert.equal(container?.readinessProbe?.httpGet.path, '/readyz')
    const config = serviceConfig(objects)
    assert.equal(config.metrics.port, container?.ports?.[0]?.containerPort)
    assert.notEqual(config.metrics.host, '127.0.0.1', 'the kubelet asks from outside of the pod')
    const drainSeconds = (config.consumer.drainTimeout ?? 20_000) / 1_000
    assert.ok(terminationGracePeriodSeconds > drainSeconds + 15, 'drain, commit and leave')
  })

  test('a field that is misspelled is refused', () => {
    const [object] = parseAllDocuments(read('kubernetes/python-consumer.yaml'))
    const good = object?.toJS() as { spec: Record<string, unknown> }
    assert.ok(kubernetesObject.safeParse(good).success)
    assert.ok(!kubernetesObject.safeParse({ ...good, spec: { ...good.spec, replica: 2 } }).success)
  })
})

describe('scaling', () => {
  test('the ScaledObject names the Deployment, its group and its topic', () => {
    const [object] = objectsOf('keda/scaled-object.yaml')
    const { metadata, spec } = scaledObject.parse(object)
    const service = objectsOf('kubernetes/service.yaml')
    const target = deployment.parse(service.find(({ kind }) => kind === 'Deployment'))
    assert.deepEqual(
      [spec.scaleTargetRef.name, metadata.namespace],
      [target.metadata.name, target.metadata.namespace],
    )
    const { consumer } = serviceConfig(service)
    for (const { type, metadata: trigger } of spec.triggers)
      if (type === 'kafka')
        assert.deepEqual(
          [trigger.consumerGroup, trigger.topic, trigger.bootstrapServers],
          [consumer.group, consumer.topics[0], consumer.brokers[0]],
        )
      else {
        assert.ok(trigger.query.includes(`group="${consumer.group}"`))
        for (const metric of readExpression(trigger.query).metrics)
          assert.ok(exported().has(metric), metric)
      }
  })
})

describe('alert rules', () => {
  test('each has a name of its own, and asks for metrics and labels that a service exports', () => {
    const { groups } = ruleFile.parse(parse(read('prometheus/service-rules.yaml')))
    const rules = groups.flatMap((group) => group.rules)
    const names = rules.map((rule) => ('alert' in rule ? rule.alert : rule.record))
    assert.deepEqual(names, [...new Set(names)])
    const records = new Set(rules.flatMap((rule) => ('record' in rule ? [rule.record] : [])))
    const known = exported()
    const labels = new Set('backend group topic instance status outcome result breaker'.split(' '))
    for (const { expr } of rules) {
      const found = readExpression(expr)
      assert.ok(found.metrics.length > 0, expr)
      for (const metric of found.metrics)
        assert.ok(known.has(metric) || records.has(metric), `${metric} of ${expr}`)
      for (const label of found.labels) assert.ok(labels.has(label), `${label} of ${expr}`)
    }
  })

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['sum(rate(a[5m])', /\( is not closed/],
    ['a} > 1', /\} closes nothing/],
    ['a[5 minutes] > 1', /cannot read \[5 minutes/],
    ['a & b', /cannot read & b/],
  ]
  for (const [expression, words] of wrong)
    test(`an expression that is wrong is noticed: ${expression}`, () => {
      assert.throws(() => readExpression(expression), words)
    })
})

describe('images', () => {
  for (const file of filesIn('docker'))
    test(`${file} keeps the rules, and copies what exists`, () => {
      const text = read(join('docker', file))
      assert.deepEqual(dockerfileProblems(text), [])
      for (const { word, text: words } of instructionsOf(text)) {
        if (word !== 'COPY' || words.startsWith('--from')) continue
        for (const source of words.split(/\s+/).slice(0, -1))
          assert.ok(existsSync(join(DEPLOY, '..', source)), source)
      }
    })

  test('the Python image has the library, and prints at once', () => {
    const text = read('docker/python.Dockerfile')
    assert.match(text, /^RUN pip install .*\bconfluent-kafka==2\.8\.0$/m)
    assert.match(text, /^ENV PYTHONUNBUFFERED=1$/m)
  })

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['FROM node\nUSER node\nCMD ["x"]', /name a version/],
    ['FROM node:24\nCMD ["x"]', /runs as root/],
    ['FROM node:24\nUSER node\nCMD node main.js', /does not pass signals on/],
    ['FROM node:24\nRUN npm install\nUSER node\nCMD ["x"]', /npm ci/],
    ['FROM node:24\nCOPY . .\nUSER node\nCMD ["x"]', /copies secrets/],
  ]
  for (const [text, words] of wrong)
    test(`a file that breaks a rule is noticed: ${JSON.stringify(text)}`, () => {
      assert.match(dockerfileProblems(text).join('; '), words)
    })
})

type Deployment = z.output<typeof deployment>

function checkReferences({ metadata, spec }: Deployment, maps: readonly KubernetesObject[]): void {
  assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels)
  const { containers, volumes = [] } = spec.template.spec
  const names = new Set(volumes.map(({ name }) => name))
  for (const { ports = [], volumeMounts = [], ...container } of containers) {
    for (const { name } of volumeMounts) assert.ok(names.has(name), `volume ${name}`)
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
      const port = container[probe]?.httpGet.port
      if (typeof port === 'string')
        assert.ok(
          ports.some(({ name }) => name === port),
          port,
        )
    }
  }
  // A map that stands in no file of ours is the user's: the page makes it with kubectl.
  if (maps.length > 0)
    for (const volume of volumes)
      if ('configMap' in volume)
        assert.ok(
          maps.some((map) => map.metadata.name === volume.configMap.name),
          `ConfigMap ${volume.configMap.name} of ${metadata.name}`,
        )
}

/** The `shoal.yaml` in the ConfigMap, as the service itself reads it. */
function serviceConfig(objects: readonly KubernetesObject[]) {
  const map = objects.find((object) => object.kind === 'ConfigMap')
  return serviceSchema.parse(parse(map?.data['shoal.yaml'] ?? ''))
}

/** Every metric of a service, histograms by the names of their series too. */
function exported(): ReadonlySet<string> {
  using metrics = new ServiceMetrics({
    library,
    group: 'g',
    version: '0.1.0',
    clock: new VirtualClock(),
    partitionSeries: 10,
    health: () => ({ status: 'ok', reasons: [], oldestInFlightMs: 0, blockedKeys: 0 }),
    lag: () => null,
  })
  return new Set(
    metrics.names.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]),
  )
}

function objectsOf(file: string): readonly KubernetesObject[] {
  return parseAllDocuments(read(file)).map((document) => {
    assert.deepEqual(document.errors, [])
    return kubernetesObject.parse(document.toJS())
  })
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(join(DEPLOY, folder))
}

function read(file: string): string {
  return readFileSync(join(DEPLOY, file), 'utf8')
}
