"""`python -m finetune`: the `finetune` command, where its script is not on the path."""

from finetune_masks import main

if __name__ == "__main__":
    main()
