/**
 * The fields of Kubernetes, KEDA and Prometheus objects that `deploy/` uses, as strict schemas: a field that is misspelled or
 * has the wrong shape is refused.
 *
 * From the reference of each: apps/v1 Deployment, v1 ConfigMap, policy/v1 PodDisruptionBudget, monitoring.coreos.com/v1
 * PodMonitor, keda.sh/v1alpha1 ScaledObject, Prometheus' recording and alerting rules. Fields that nothing here uses are
 * left out: who needs one adds it from the reference.
 */

import { z } from 'zod'

/** RFC 1123 label. */
const name = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/)
const labels = z.record(z.string().regex(/^[a-z0-9./-]{1,253}$/i), z.string().max(63))
const metadata = z.strictObject({ name, namespace: name, labels: labels.optional() })
const selector = z.strictObject({ matchLabels: labels })
const quantity = z.string().regex(/^\d+(?:m|Ki|Mi|Gi)?$/)
const port = z.int().min(1).max(65_535)

const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string().startsWith('/'), port: z.union([port, name]) }),
  periodSeconds: z.int().min(1),
  failureThreshold: z.int().min(1).optional(),
})

const variable = z.union([
  z.strictObject({ name: z.string().regex(/^[A-Z_][A-Z0-9_]*$/), value: z.string() }),
  z.strictObject({
    name: z.string().regex(/^[A-Z_][A-Z0-9_]*$/),
    valueFrom: z.strictObject({
      fieldRef: z.strictObject({ fieldPath: z.enum(['metadata.name', 'metadata.namespace']) }),
    }),
  }),
])

const container = z.strictObject({
  name,
  // A tag that is not `latest`: what runs must not change by itself.
  image: z.string().regex(/^[\w.-]+(?:\/[\w.-]+)+:(?!latest$)[\w.-]+$/),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  env: z.array(variable).optional(),
  ports: z.array(z.strictObject({ name, containerPort: port })).optional(),
  startupProbe: probe.optional(),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  resources: z.strictObject({
    requests: z.strictObject({ cpu: quantity, memory: quantity }),
    limits: z.strictObject({ memory: quantity }),
  }),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    runAsNonRoot: z.literal(true),
    runAsUser: z.int().min(1).optional(),
    readOnlyRootFilesystem: z.boolean().optional(),
  }),
  volumeMounts: z
    .array(
      z.strictObject({
        name,
        mountPath: z.string().startsWith('/'),
        readOnly: z.boolean().optional(),
      }),
    )
    .optional(),
})

const volume = z.union([
  z.strictObject({ name, configMap: z.strictObject({ name }) }),
  z.strictObject({ name, emptyDir: z.strictObject({}) }),
])

export const deployment = z.strictObject({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('Deployment'),
  metadata,
  spec: z.strictObject({
    replicas: z.int().min(0),
    selector,
    strategy: z
      .strictObject({
        type: z.literal('RollingUpdate'),
        rollingUpdate: z.strictObject({ maxSurge: z.int().min(0), maxUnavailable: z.int().min(0) }),
      })
      .optional(),
    template: z.strictObject({
      metadata: z.strictObject({ labels }),
      spec: z.strictObject({
        enableServiceLinks: z.literal(false),
        terminationGracePeriodSeconds: z.int().min(1),
        containers: z.array(container).min(1),
        volumes: z.array(volume).optional(),
      }),
    }),
  }),
})

const configMap = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('ConfigMap'),
  metadata,
  data: z.record(z.string().regex(/^[\w.-]+$/), z.string()),
})

const disruptionBudget = z.strictObject({
  apiVersion: z.literal('policy/v1'),
  kind: z.literal('PodDisruptionBudget'),
  metadata,
  spec: z.strictObject({ maxUnavailable: z.int().min(0), selector }),
})

const podMonitor = z.strictObject({
  apiVersion: z.literal('monitoring.coreos.com/v1'),
  kind: z.literal('PodMonitor'),
  metadata,
  spec: z.strictObject({
    selector,
    podMetricsEndpoints: z
      .array(z.strictObject({ port: name, interval: z.string().regex(/^\d+[smh]$/) }))
      .min(1),
  }),
})

/** KEDA takes every value of a trigger's metadata as a text. */
const numberText = z.string().regex(/^\d+(?:\.\d+)?$/)
const flagText = z.enum(['true', 'false'])
const trigger = z.union([
  z.strictObject({
    type: z.literal('kafka'),
    metadata: z.strictObject({
      bootstrapServers: z.string().regex(/^[\w.-]+:\d+$/),
      consumerGroup: z.string().min(1),
      topic: z.string().min(1),
      lagThreshold: numberText,
      activationLagThreshold: numberText,
      excludePersistentLag: flagText,
      limitToPartitionsWithLag: flagText,
    }),
  }),
  z.strictObject({
    type: z.literal('prometheus'),
    metadata: z.strictObject({ serverAddress: z.url(), query: z.string(), threshold: numberText }),
  }),
])

export const scaledObject = z.strictObject({
  apiVersion: z.literal('keda.sh/v1alpha1'),
  kind: z.literal('ScaledObject'),
  metadata,
  spec: z.strictObject({
    scaleTargetRef: z.strictObject({ kind: z.literal('Deployment'), name }),
    minReplicaCount: z.int().min(0),
    maxReplicaCount: z.int().min(1),
    cooldownPeriod: z.int().min(0),
    advanced: z.strictObject({
      horizontalPodAutoscalerConfig: z.strictObject({
        behavior: z.strictObject({
          scaleDown: z.strictObject({ stabilizationWindowSeconds: z.int().min(0).max(3_600) }),
        }),
      }),
    }),
    triggers: z.array(trigger).min(1),
  }),
})

export const kubernetesObject = z.discriminatedUnion('kind', [
  deployment,
  configMap,
  disruptionBudget,
  podMonitor,
  scaledObject,
])

export type KubernetesObject = z.output<typeof kubernetesObject>

const span = z.string().regex(/^\d+(?:ms|s|m|h|d)$/)
const recording = z.strictObject({
  record: z.string().regex(/^[a-zA-Z_:][\w:]*$/),
  expr: z.string().min(1),
})
const alerting = z.strictObject({
  alert: z.string().regex(/^[A-Z]\w+$/),
  expr: z.string().min(1),
  for: span.optional(),
  labels: z.strictObject({ severity: z.enum(['info', 'warning', 'critical']) }),
  annotations: z.strictObject({ summary: z.string().min(1), description: z.string().optional() }),
})

export const ruleFile = z.strictObject({
  groups: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        interval: span,
        rules: z.array(z.union([alerting, recording])).min(1),
      }),
    )
    .min(1),
})
