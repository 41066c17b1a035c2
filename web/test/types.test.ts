import { expect, it } from 'vitest'
// @ts-expect-error: plain JavaScript without declarations
import { generate } from '../scripts/types.mjs'

it('writes types from an OpenAPI document', () => {
  const document = {
    components: {
      schemas: {
        Role: { type: 'string', enum: ['owner', 'ops'] },
        Room: {
          type: 'object',
          description: 'A  room.',
          required: ['id', 'live', 'pair'],
          properties: {
            id: { type: 'string' },
            cap: { type: ['integer', 'null'] },
            role: { $ref: '#/components/schemas/Role' },
            live: { oneOf: [{ type: 'null' }, { $ref: '#/components/schemas/Role' }] },
            list: { type: 'array', items: { type: ['string', 'null'] } },
            pair: { type: 'array', prefixItems: [{ type: 'number' }, { type: 'number' }] },
            'x-map': { type: 'object', additionalProperties: { type: 'string' } },
          },
        },
      },
    },
  }
  expect(generate(document)).toBe(`// From docs/openapi.json by \`npm run types\`; not to be edited.

export type Role = "owner" | "ops"

/** A room. */
export interface Room {
  id: string
  cap?: number | null
  role?: Role
  live: null | Role
  list?: (string | null)[]
  pair: [number, number]
  "x-map"?: Record<string, string>
}
`)
})
