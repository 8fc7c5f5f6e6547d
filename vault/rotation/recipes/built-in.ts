import { Fault } from '../../kernel/fault.ts'
import ciscoIos from './built-in/cisco-ios.json' with { type: 'json' }
import hirschmannClassic from './built-in/hirschmann-classic.json' with { type: 'json' }
import influxdb1 from './built-in/influxdb-1.json' with { type: 'json' }
import moxa from './built-in/moxa.json' with { type: 'json' }
import redfishOpenBmc from './built-in/redfish-openbmc.json' with { type: 'json' }
import scalance from './built-in/scalance.json' with { type: 'json' }
import unixPasswd from './built-in/unix-passwd.json' with { type: 'json' }
import { parseRecipe, type Recipe, referenceOf } from './recipe.ts'

/** The recipes that Tagout comes with, by name and version. A new one is a file, two lines here, and a test of what it was tried on. */
export const builtIn: ReadonlyMap<string, Recipe> = new Map(
  [ciscoIos, hirschmannClassic, influxdb1, moxa, redfishOpenBmc, scalance, unixPasswd].map((given) => {
    const recipe = parseRecipe(JSON.stringify(given))
    if (!recipe.ok) throw new Fault('configuration', `the recipe ${given.name}: ${recipe.refusal.message}`)
    return [referenceOf(recipe.value), recipe.value]
  }),
)
