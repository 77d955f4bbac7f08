import type { CodegenConfig } from "@graphql-codegen/cli";
import { formatDocument } from "@urql/vue";

// Custom scalars are strings on the wire; `strictScalars` fails the build when one is forgotten.
const scalars = {
  CurrencyCode: "string",
  Date: "string",
  DateTime: "string",
  Decimal: "string",
  URL: "string",
};

const config: CodegenConfig = {
  schema: "../../../schema/schema.graphql",
  documents: "src/**/*.ts",
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false, persistedDocuments: true },
      // Each `__typename` that Graphcache asks for: the server answers what it has registered, and
      // nothing that is added later.
      documentTransforms: [
        {
          transform: ({ documents }) =>
            documents.map((file) => ({
              ...file,
              document: file.document && formatDocument(file.document),
            })),
        },
      ],
      config: { scalars, strictScalars: true, useTypeImports: true },
    },
  },
  silent: true,
};

export default config;
