// The mock answers what docs/openapi.json says, so that the pages built and
// pictured against it are the pages that meet the controller.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import * as data from '../mock/data.mjs'

interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  oneOf?: Schema[]
  allOf?: Schema[]
}
const document = JSON.parse(readFileSync('../docs/openapi.json', 'utf8')) as { components: { schemas: Record<string, Schema> } }

/** What does not fit, by path. Unknown fields are wrong, too. */
function wrong(value: unknown, schema: Schema | undefined, path: string): string[] {
  if (!schema) return [`${path}: no schema`]
  if (schema.$ref) return wrong(value, document.components.schemas[schema.$ref.split('/').at(-1) as string], path)
  if (schema.oneOf) {
    const all = schema.oneOf.map((one) => wrong(value, one, path))
    return all.some((found) => found.length === 0) ? [] : (all.at(-1) ?? [])
  }
  if (schema.enum) return schema.enum.includes(value) ? [] : [`${path}: ${JSON.stringify(value)} is none of ${schema.enum.join(', ')}`]
  const types = ([] as (string | undefined)[]).concat(schema.type)
  if (value === null || value === undefined) return types.includes('null') ? [] : [`${path}: missing`]
  if (Array.isArray(value)) return schema.items ? value.flatMap((one, i) => wrong(one, schema.items, `${path}[${i}]`)) : []
  if (typeof value !== 'object') {
    const is = typeof value === 'number' ? ['number', 'integer'] : [typeof value]
    return types.some((one) => is.includes(one as string)) ? [] : [`${path}: is a ${typeof value}`]
  }
  const { properties } = schema
  if (!properties) return []
  const known = value as Record<string, unknown>
  return [
    ...Object.keys(known).filter((key) => !(key in properties)).map((key) => `${path}.${key}: unknown`),
    ...Object.entries(properties).flatMap(([key, one]) => (known[key] === undefined && !schema.required?.includes(key) ? [] : wrong(known[key], one, `${path}.${key}`))),
  ]
}

const fits = (name: string, ...values: unknown[]) => it(`${name} is as documented`, () => expect(values.flatMap((value) => wrong(value, document.components.schemas[name], name))).toEqual([]))

fits('Visit', ...['northlight', 'waiting', 'halcyon', 'closed', 'marked', 'new-guest', 'no-call'].map((slug) => data.visit(slug, 'live.localhost')))
fits('StreamFacts', data.facts())
fits('Presence', data.presence)
fits('RoomView', ...data.rooms())
fits('LinkView', ...data.links())
fits('Ingest', data.ingest)
fits('Activity', ...data.activity())
fits('Status', data.status('ready'), data.status('degraded'))
fits('JournalView', ...data.journal())
fits('FileView', ...data.files)
fits('LogLine', ...data.logLines)
fits('Series', data.series())
fits('SessionView', ...data.sessions())
fits('AdminView', ...data.admins())
fits('TokenView', ...data.tokens())
fits('ProfileView', ...data.profiles)
