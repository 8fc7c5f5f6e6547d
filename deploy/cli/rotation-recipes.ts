import type { Command } from 'commander'
import type { RecipeView } from '../../vault/contract.ts'
import { when } from './io.ts'
import { examples, facts, type Tools } from './tools.ts'

const reference = ({ name, version }: Pick<RecipeView, 'name' | 'version'>) => `${name}@${version}`

/** `tagout rotation recipe`: how machines of a kind are told to take another password. */
export function addRecipeCommands(rotation: Command, tools: Tools): void {
  const recipe = rotation
    .command('recipe')
    .description('recipes: how machines of a kind are told to take another password, as data')

  recipe
    .command('list')
    .description('list the recipes that can be chosen, those that Tagout comes with and yours')
    .addHelpText('after', examples('tagout rotation recipe list', 'tagout rotation recipe list --json'))
    .action(async () => {
      const found = await tools.withVault((vault) => vault.ask('rotation.recipes', {}))
      tools.list(
        found,
        [
          ['RECIPE', reference],
          ['CONNECTOR', (row) => row.connector],
          ['OVER', (row) => row.protocols.join(', ')],
          ['TRIED ON', (row) => row.tried],
          ['ACCOUNTS', (row) => String(row.accounts)],
          ['FROM', (row) => row.addedBy ?? 'Tagout'],
          ['FOR', (row) => row.title],
        ],
        'there are none',
      )
    })

  recipe
    .command('show <recipe>')
    .description('show one, with what to know of it; --document prints it as a file to begin with')
    .option('--document', 'its text alone')
    .addHelpText(
      'after',
      examples(
        'tagout rotation recipe show cisco-ios',
        'tagout rotation recipe show cisco-ios@1 --document > ours.json',
      ),
    )
    .action(async (name: string, { document }: { readonly document?: true }) => {
      const found = await tools.withVault((vault) => vault.ask('rotation.recipe.show', { recipe: name }))
      if (document === true && !tools.json()) return tools.say(found.document.trimEnd())
      tools.show(found, () => recipeText(found))
    })

  recipe
    .command('add <file>')
    .description('add a recipe of yours, or another version of one; no account is changed by that')
    .addHelpText('after', examples('tagout rotation recipe add ours.json', 'tagout rotation recipe add -'))
    .action(async (file: string) => {
      const document = await tools.readText(file)
      const added = await tools.withVault((vault) => vault.ask('rotation.recipe.add', { document }))
      tools.show(added, () => recipeText(added))
      tools.note(`choose it: tagout account rotation set ACCOUNT --recipe ${reference(added)}`)
    })

  recipe
    .command('remove <recipe>')
    .description('take a recipe of yours away that no account is rotated by')
    .addHelpText('after', examples('tagout rotation recipe remove ours@1'))
    .action(async (name: string) => {
      await tools.withVault((vault) => vault.ask('rotation.recipe.remove', { recipe: name }))
      tools.show({ removed: name }, () => `${name} is gone\n`)
    })
}

function recipeText(recipe: RecipeView): string {
  return facts([
    ['recipe', reference(recipe)],
    ['for', recipe.title],
    ['connector', recipe.connector],
    ['over', recipe.protocols.join(', ')],
    ['passwords', recipe.profile],
    ['tried on', recipe.tried],
    ...recipe.findings.map((finding) => ['know that', finding] as const),
    ...(recipe.notes === '' ? [] : [['notes', recipe.notes] as const]),
    ['accounts', String(recipe.accounts)],
    ['from', recipe.addedBy === null ? 'Tagout' : `${recipe.addedBy}, ${when(recipe.addedAt)}`],
  ])
}
